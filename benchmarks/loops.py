"""Sides that train: the common trainer, the same with tracking, and the bare loop."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch
from interleaved import Side
from torch import Tensor

from bench.configuration import resolve
from bench.execution.progress import Progress
from bench.execution.session import Alarms
from bench.execution.setup import TrainingSetup, plan_of, set_up
from bench.health.alarms import Watch
from bench.runs import record, run_folder
from bench.system.errors import WorkError
from bench.tracking.process import TrackingProcess
from bench.tracking.store_choice import current_store
from bench.training.trainer import Callback
from variants.base import Batch, NetworkName, Scalars
from variants.noise import Noise

ENDLESS = 10**12  # steps of a plan that is never reached, so that nothing is judged or saved


def quiet_setup(given: dict[str, object]) -> TrainingSetup:
    """Load the data and draw the networks as ``bench run`` does."""
    return set_up(resolve(given), Progress(quiet=True))


def wait_for(device: torch.device) -> None:
    """Return when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class BlockEnd(Exception):
    """A block's last step is done."""


class RefuseUncompiled(Callback):
    """Makes it an error that networks were to be compiled and are not, which a run passes over."""

    def on_warning(self, message: str) -> None:
        """Raise what a run would only warn of."""
        raise WorkError(message)


class ThroughTrainer(Side):
    """Steps of the common trainer, with a real record.

    The trainer is driven by its public surface alone. It asks `stop_requested` after each step, when
    the step is complete; at a block's end that callable raises :class:`BlockEnd`, which leaves
    ``train()`` before anything is saved. The next call of ``train()`` goes on with the next step and
    first brings the last block's waiting scalars to the host, so every step's scalars are drained
    within some block.

    Parameters
    ----------
    setup : TrainingSetup
        What to train.
    folder : Path
        Where the record goes.
    callbacks : list of Callback
        Who is told.
    """

    def __init__(self, setup: TrainingSetup, folder: Path, callbacks: list[Callback] | None = None) -> None:
        self.variant = setup.variant
        self.writer = record.RecordWriter(folder / record.FILE)
        self._last = 0
        told = [RefuseUncompiled(), *(callbacks or [])]
        self.trainer = setup.trainer(self.writer, folder, record.Record(), told, self._end_block)
        self.trainer.plan = replace(
            plan_of(setup.configuration.harness), steps=ENDLESS, eval_every=0, checkpoint_every=ENDLESS
        )

    def _end_block(self) -> bool:
        if self.trainer.step >= self._last:
            raise BlockEnd
        return False

    def advance(self, steps: int) -> None:
        """Train so many steps."""
        self._last = self.trainer.step + steps
        try:
            self.trainer.train()
        except BlockEnd:
            return

    def wait(self) -> None:
        """Return when the device has done what it was given."""
        wait_for(self.trainer.device)

    def close(self) -> None:
        """Close the record."""
        self.writer.close()


class Recorded(Callback):
    """Knows the last step that is in the record."""

    def __init__(self) -> None:
        self.step = 0

    def on_steps(self, rows: list[dict[str, Any]]) -> None:
        """Note the last row's step."""
        self.step = rows[-1]["step"] if rows else self.step


class TrackedTrainer(ThroughTrainer):
    """The common trainer of a tracked run: alarms are watched and a tracking process follows the record.

    That process sends what a checkpoint covers. Before each block the record says that one covers the
    steps that it has, so a block's time holds the sending of as many steps as it trains. While other sides
    take their turns, the tracking process is stopped.

    Parameters
    ----------
    setup : TrainingSetup
        What to train. BENCH_HOME must be a folder to write into: :func:`temporary_home`.
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
        self.trainer.callbacks += [Alarms(Watch(), self.writer, Progress(quiet=True), []), self._recorded]
        self._process.suspend()

    def prepare(self, steps: int) -> None:
        """Let the tracking process go on, with the last block's steps to send."""
        if self._recorded.step > self._covered:
            self._covered = self._recorded.step
            self.writer.event("checkpoint", step=self._covered, file="", train_seconds=0.0)
        self._process.resume()

    def rest(self) -> None:
        """Stop the tracking process, so that it takes no time of the other sides."""
        self._process.suspend()

    def close(self) -> None:
        """Let the tracking process send the rest and end."""
        self._process.resume()
        super().close()
        if problem := self._tracking.close():
            raise RuntimeError(f"tracking: {problem}")


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A BENCH_HOME for the time of the block, gone at its end."""
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
    """The least that trains the same networks as fast: phases, Adam's steps and settle, on ready batches.

    Nothing is recorded, no rate is set, no scalar leaves the device.

    Parameters
    ----------
    setup : TrainingSetup
        What to train.
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
        self._taken = 0
        self._ready: list[Tensor] = []
        knobs = setup.configuration.hyperparameters
        rates: dict[NetworkName, float] = {"generator": knobs.lr_g, "discriminator": knobs.lr_d}
        self._optimizers = {
            network: torch.optim.Adam(
                self.variant.trainable_parameters(network),
                lr=rate,
                betas=(knobs.beta1, knobs.beta2),
                eps=knobs.adam_epsilon,
                fused=harness.fused_adam,
            )
            for network, rate in rates.items()
        }
        self.variant.train()

    def prepare(self, steps: int) -> None:
        """Slice the real batches of the next steps."""
        count = steps * sum(phase.new_real_batch for phase in self.variant.phases())
        taken = (self._batches.get(self._taken + place) for place in range(count))
        self._ready = [images.contiguous(memory_format=self._layout) for images in taken]
        self._taken += count

    def advance(self, steps: int) -> None:
        """Train so many steps."""
        phases = self.variant.phases()
        ready = iter(self._ready)
        nothing = torch.empty(0)
        for _ in range(steps):
            self._step += 1
            batch = Batch(nothing, Noise(self._seed, self._step, self.device))
            scalars: Scalars = {}
            for phase in phases:
                if phase.new_real_batch:
                    batch.real = next(ready)
                for network in phase.updates:
                    self._optimizers[network].zero_grad(set_to_none=True)
                scalars |= phase.accumulate_gradients(batch)
                for network in phase.updates:
                    self._optimizers[network].step()
            scalars |= self.variant.scalars_after_phases(batch)
            self.variant.update_state(scalars)

    def wait(self) -> None:
        """Return when the device has done what it was given."""
        wait_for(self.device)
