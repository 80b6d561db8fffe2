"""Sides that train: the common trainer, the trainer with tracking, and the bare loop."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import torch
from interleaved import Side
from torch import Tensor

from bench.configuration import MOST_STEPS, resolve
from bench.execution.callbacks import Alarms
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup, set_up
from bench.health.alarms import AlarmMonitor
from bench.runs import record, run_folder
from bench.system.errors import WorkError
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store
from bench.training.history import History
from bench.training.step import make_optimizer
from bench.training.trainer import Callback
from variants.base import Batch, Scalars
from variants.noise import Noise

# a length that no timing reaches, so that nothing is evaluated or saved
ENDLESS = {"steps": MOST_STEPS, "eval_every": 0, "checkpoint_every": MOST_STEPS}


def quiet_setup(given: dict[str, object]) -> TrainingSetup:
    """Load the data and build the networks as ``bench run`` does."""
    return set_up(resolve(given), Progress(quiet=True))


def wait_for(device: torch.device) -> None:
    """Wait until the device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class BlockEnd(Exception):
    """The last step of a block is done."""


class RaiseWarnings(Callback):
    """Turns warnings into errors, such as that networks could not be compiled."""

    def on_warning(self, message: str) -> None:
        """Raise the message of the warning."""
        raise WorkError(message)


class ThroughTrainer(Side):
    """Steps of the common trainer, with a real record.

    Only the public interface of the trainer is used. The trainer calls `stop_requested` after each complete
    step; at the end of a block that callable raises :class:`BlockEnd`, which ends ``train()`` before anything
    is saved. The next call of ``train()`` continues with the next step and first copies the pending scalars
    of the last block to the host, so the scalars of every step are copied within some block.

    Parameters
    ----------
    setup : TrainingSetup
        The run to train.
    folder : Path
        Folder of the record.
    callbacks : list of Callback
        Further callbacks of the trainer.
    """

    def __init__(self, setup: TrainingSetup, folder: Path, callbacks: list[Callback] | None = None) -> None:
        self.variant = setup.variant
        self.writer = record.RecordWriter(folder / record.FILE)
        self._last = 0
        all_callbacks = [RaiseWarnings(), *(callbacks or [])]
        endless = replace(setup, configuration=setup.configuration.with_values(**ENDLESS))
        self.trainer = endless.trainer(self.writer, folder, History(), all_callbacks, self._end_block)

    def _end_block(self) -> bool:
        if self.trainer.step >= self._last:
            raise BlockEnd
        return False

    def advance(self, steps: int) -> None:
        """Train `steps` further steps."""
        self._last = self.trainer.step + steps
        try:
            self.trainer.train()
        except BlockEnd:
            return

    def wait(self) -> None:
        """Wait until the device is idle."""
        wait_for(self.trainer.device)

    def close(self) -> None:
        """Close the record."""
        self.writer.close()


class Recorded(Callback):
    """Remembers the last step in the record."""

    def __init__(self) -> None:
        self.step = 0

    def on_steps(self, rows: list[record.StepRow]) -> None:
        """Remember the step of the last row."""
        self.step = int(rows[-1]["step"]) if rows else self.step


class TrackedTrainer(ThroughTrainer):
    """The common trainer of a tracked run, with alarms and a tracking process that follows the record.

    The tracking process sends the steps up to the last checkpoint. Before each block, a checkpoint event is
    written for all recorded steps, so each block includes sending as many steps as it trains. The tracking
    process is suspended during the turns of other sides.

    Parameters
    ----------
    setup : TrainingSetup
        The run to train. BENCH_HOME must be a writable folder: :func:`temporary_home`.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        before = {child.pid for child in psutil.Process().children()}
        self._tracking = TrackingProcess()
        (self._process,) = (c for c in psutil.Process().children() if c.pid not in before)
        description = setup.describe("", f"{setup.variant.name}-timed")
        store = current_store()
        run_id = self._tracking.create(description, store)
        run = run_folder.create(description.model_copy(update={"id": run_id}))
        self._tracking.follow(run, store)
        super().__init__(setup, run.path)
        self._recorded, self._covered = Recorded(), 0
        watch = AlarmMonitor(description.scalars)
        self.trainer.callbacks += [Alarms(watch, self.writer, Progress(quiet=True)), self._recorded]
        self._process.suspend()

    def prepare(self, steps: int) -> None:
        """Resume the tracking process, with the steps of the last block to send."""
        if self._recorded.step > self._covered:
            self._covered = self._recorded.step
            self.writer.write([record.CheckpointEvent(step=self._covered, file="", train_seconds=0.0)])
        self._process.resume()

    def rest(self) -> None:
        """Suspend the tracking process, so that it does not slow the other sides."""
        self._process.suspend()

    def close(self) -> None:
        """Wait until the tracking process has sent all steps and has ended."""
        self._process.resume()
        super().close()
        if problem := self._tracking.close():
            raise RuntimeError(f"tracking: {problem}")


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Set BENCH_HOME to a temporary folder within a block."""
    before = os.environ.get("BENCH_HOME")
    with tempfile.TemporaryDirectory(prefix="bench-home-") as home:
        os.environ["BENCH_HOME"] = home
        try:
            yield Path(home)
        finally:
            if before is None:
                del os.environ["BENCH_HOME"]
            else:
                os.environ["BENCH_HOME"] = before


class BareLoop(Side):
    """The minimal training loop: phases, optimizers and `update_state`, on batches prepared in advance.

    Nothing is recorded, no learning rate is set and no scalar is copied to the host. Of the scalars of
    repeated phases the last ones are kept.

    Parameters
    ----------
    setup : TrainingSetup
        The run to train.
    """

    def __init__(self, setup: TrainingSetup) -> None:
        self.variant = setup.variant
        self.device = setup.device
        self._batches = setup.batches
        harness = setup.configuration.harness
        self._seed = harness.seed
        self._layout = torch.channels_last if harness.channels_last else torch.contiguous_format
        self.variant.to(memory_format=self._layout)
        self._step = 0
        self._next = 0
        self._ready: list[Tensor] = []
        knobs = setup.configuration.hyperparameters
        self._optimizers = {
            name: make_optimizer(network, knobs, harness.fused_adam)
            for name, network in self.variant.networks().items()
        }
        self.variant.train()

    def prepare(self, steps: int) -> None:
        """Prepare the real batches of the next steps."""
        count = self.variant.real_batches(self._step + steps) - self._next
        batches = (self._batches.get(self._next + offset) for offset in range(count))
        self._ready = [images.contiguous(memory_format=self._layout) for images in batches]
        self._next += count

    def advance(self, steps: int) -> None:
        """Train `steps` further steps."""
        ready = iter(self._ready)
        no_samples = torch.empty(0)
        for _ in range(steps):
            self._step += 1
            self.variant.step = self._step
            self.variant.begin_step()
            batch = Batch(no_samples, Noise(self._seed, self._step, self.device))
            scalars: Scalars = {}
            for phase in self.variant.phases():
                if (self._step - 1) % phase.every:
                    continue
                if phase.new_real_batch:
                    batch.real = next(ready)
                for network in phase.updates:
                    self._optimizers[network].zero_grad(set_to_none=True)
                scalars |= phase.accumulate_gradients(batch)
                for network in phase.updates:
                    self._optimizers[network].step()
                if phase.after is not None:
                    with torch.no_grad():
                        phase.after()
            scalars |= self.variant.scalars_after_phases(batch)
            self.variant.update_state(scalars)

    def wait(self) -> None:
        """Wait until the device is idle."""
        wait_for(self.device)
