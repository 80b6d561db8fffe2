"""Comparison of a recorded run with its repetition."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeGuard

import torch
from torch import Tensor

from bench.datasets import KnownModes
from bench.figures.pictures import save_samples
from bench.runs import checkpoint, record
from bench.runs.record import Alarm, CheckpointEvent, Evaluation, Record, StepRow
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError
from bench.training.trainer import Callback, Trainer

Values = Mapping[str, object]
"""The values of one line, by name."""

# times and memory, which are different in every repetition
UNREPEATABLE = ("train_seconds", "peak_memory")
# what a checkpoint holds besides the state of training: its run, the mark of the record, and its event
ASIDE = ("seconds", "origin", "record", "event")


class Differs(WorkError):
    """A recorded value was not reproduced.

    Parameters
    ----------
    step : int or None
        First step that differs; None for a value of run.json.
    name : str
        Name of the value.
    recorded, repeated : object
        The two values; None for a missing value.

    Attributes
    ----------
    notes : list of str
        Differences of machine and code from the record.
    """

    def __init__(self, step: int | None, name: str, recorded: object, repeated: object) -> None:
        where = "run.json" if step is None else f"first difference at step {step}"
        super().__init__(f"{where}: {name} is recorded as {recorded!r} and came out as {repeated!r}")
        self.step, self.name, self.recorded, self.repeated = step, name, recorded, repeated
        self.notes: list[str] = []

    def __str__(self) -> str:
        return "; ".join([super().__str__(), *self.notes])


@dataclass
class Verification:
    """Result of a comparison without a difference.

    Attributes
    ----------
    exact : bool
        Whether values were compared bit for bit.
    tolerance : float
        Largest allowed difference, relative or (for numbers below 1) absolute; 0 if exact.
    steps : int
        Steps trained again.
    numbers : int
        Numbers compared.
    checkpoints : int
        Checkpoints whose tensors were compared.
    pictures : int
        Pictures of samples compared.
    undecided : list of str
        Values that could not be compared. The run is verified only if the list is empty.
    notes : list of str
        Differences of machine and code from the record.
    """

    exact: bool
    tolerance: float
    steps: int = 0
    numbers: int = 0
    checkpoints: int = 0
    pictures: int = 0
    undecided: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        """Whether everything that was recorded was compared and is the same."""
        return not self.undecided


class Comparison(Callback):
    """Callback that compares training with a record, up to a step.

    Parameters
    ----------
    run : RunFolder
        The run.
    recorded : Record
        Its record.
    trainer : Trainer
        Trains the run again. The comparison stops it after step `last`.
    last : int
        Last step to compare.
    result : Verification
        Counts the compared values.
    measured : set of str
        Metrics of the run according to its description. These and the metrics in the record are compared.
    modes : KnownModes, optional
        Modes of the data, whose centres are marked in pictures of points.

    Attributes
    ----------
    unknown : dict
        Keys: metrics of this version that the run did not measure.
    final : int
        Last step of the run.
    """

    def __init__(
        self,
        run: RunFolder,
        recorded: Record,
        trainer: Trainer,
        last: int,
        result: Verification,
        measured: frozenset[str] = frozenset(),
        modes: KnownModes | None = None,
    ) -> None:
        self.run, self.trainer, self.last, self.result = run, trainer, last, result
        self.measured, self.modes = measured, modes
        self.unknown: dict[str, None] = {}
        end = recorded.end
        # a collapse may have ended the run before the last planned step
        self.final = end.step if end and end.stopped_on else trainer.plan.steps
        self.whole = last >= self.final
        saved: dict[int, Values] = {each.step: each.plain() for each in recorded.checkpoints}
        planned = {step: values for step, values in saved.items() if trainer.plan.saves(step)}
        self.kinds: dict[str, dict[int, Values]] = {
            "step": {int(row["step"]): row for row in recorded.steps},
            "evaluation": {each.step: each.plain() for each in recorded.evaluations},
            "checkpoint": planned,
        }
        # checkpoints of stops have no means
        for step in saved.keys() - planned.keys():
            self.compare_values(step, saved[step], {"step": step, "file": _file_of(step)})
        self.saved = saved
        # the repetition has the present length, and does not end where the run ended before
        self.old_ends = {e.event.before: e.evaluation for e in recorded.extensions if e.evaluation}
        self.files = {path.name for path in run.checkpoint_files()}

    def on_steps(self, rows: list[StepRow]) -> None:
        """Compare steps."""
        for row in rows:
            self._compare_line("step", int(row["step"]), row)
            self.result.steps = int(row["step"])

    def on_evaluation(self, evaluation: Evaluation, grid: Tensor) -> None:
        """Compare the metrics that the run measured, and the picture of samples."""
        step, values = evaluation.step, evaluation.plain()
        recorded = self.kinds["evaluation"].get(step, values)
        new = [name for name in values if name not in recorded and name not in self.measured]
        self.unknown |= dict.fromkeys(new)
        self._compare_line("evaluation", step, {n: value for n, value in values.items() if n not in new})
        self._compare_picture(step, grid)

    def _compare_picture(self, step: int, grid: Tensor) -> None:
        kept = self.run.samples / f"step-{step:08d}.png"
        if not kept.exists():
            self.result.undecided.append(f"the picture of the samples of step {step:,}, which is missing")
        elif self.result.exact:
            repeated = self.trainer.folder / kept.name
            save_samples(grid, repeated, self.modes)
            if kept.read_bytes() != repeated.read_bytes():
                raise Differs(step, "picture of samples", "in the file", "another")
            self.result.pictures += 1

    def on_checkpoint(self, saved: CheckpointEvent) -> None:
        """Compare the line of a checkpoint in the record: name of the file and means of scalars."""
        if self.trainer.plan.saves(saved.step):
            self._compare_line("checkpoint", saved.step, saved.plain())

    def should_stop(self) -> bool:
        """Compare the state with the checkpoint of the step, if the run kept it; stop after the last step."""
        step = self.trainer.step
        if self.result.exact and _file_of(step) in self.files:
            self.files.discard(_file_of(step))
            repeated = self.trainer.folder / "repeated.safetensors"
            # written and read, so that both states have the same form
            checkpoint.write(repeated, self.trainer.state())
            kept = checkpoint.read(self.run.checkpoints / _file_of(step), self.run.origin())
            difference = next(_differences(kept, checkpoint.read(repeated)), None)
            if difference is not None:
                kind = "weights of " if difference.startswith(("variant", "average")) else ""
                name = difference.partition("/")[2] if kind else difference
                raise Differs(step, f"{kind}{name}", "in the checkpoint", "others")
            self.result.checkpoints += 1
        if old := self.old_ends.pop(step, None):
            measured = self.trainer.measure(self.trainer.sampler())
            known = {name: measured[name] for name in measured if name in old.values or name in self.measured}
            self.compare_values(step, old.values, known)
        return step >= self.last

    def _compare_line(self, kind: str, step: int, repeated: Values) -> None:
        """Compare a line with the recorded line of the same kind and step."""
        recorded = self.kinds[kind].pop(step, None)
        if recorded is None:
            raise Differs(step, kind, None, repeated)
        self.compare_values(step, recorded, repeated)

    def compare_alarms(self, recorded: Sequence[Alarm], repeated: Sequence[Alarm]) -> None:
        """Compare the recorded alarms with the alarms that the recorded steps raise.

        A different message alone is not a difference, but leaves the comparison undecided.
        """
        for then, now in zip_longest(recorded, repeated):
            was = f"{then.kind}@{then.step}" if then else None
            came = f"{now.kind}@{now.step}" if now else None
            first = min(alarm.step for alarm in (then, now) if alarm)
            self.compare(first, "alarm", was, came)
            if then and now and then.message != now.message:
                messages = f"recorded as {then.message!r}, this version says {now.message!r}"
                self.result.undecided.append(f"the message of alarm {was}: {messages}")

    def compare_values(self, step: int | None, recorded: Values, repeated: Values) -> None:
        """Compare named values, those of a mapping one by one."""
        recorded, repeated = _flat(recorded), _flat(repeated)
        for name in dict.fromkeys([*recorded, *repeated]):
            if name not in UNREPEATABLE:
                self.compare(step, name, recorded.get(name), repeated.get(name))

    def compare(self, step: int | None, name: str, recorded: object, repeated: object) -> None:
        """Compare one value; raise Differs if it is different."""
        self.result.numbers += 1
        if not alike(recorded, repeated, self.result.tolerance):
            raise Differs(step, name, recorded, repeated)

    def finish(self, over: bool) -> None:
        """Compare the remaining lines after training; note steps that were not reached.

        Parameters
        ----------
        over : bool
            Whether training diverged before the last planned step.

        Raises
        ------
        Differs
            If the record has a line that the repetition did not write.
        """
        undecided = self.result.undecided
        for kind, rows in self.kinds.items():
            for step, row in rows.items():
                if self.whole or over or step <= self.last:
                    raise Differs(step, kind, row, None)
        if not self.whole and not over:
            first, last = self.last + 1, self.final
            undecided.append(f"steps {first:,} to {last:,} with their evaluations and checkpoints")
        if not self.result.exact:
            undecided.append("weights and pictures, which are compared bit for bit or not at all")
        elif self.files and (self.whole or over):
            undecided.append(f"checkpoint files: {', '.join(sorted(self.files))}")
        if self.unknown:
            names = ", ".join(self.unknown)
            undecided.append(f"{len(self.unknown)} metrics that the run did not measure: {names}")

    def compare_marks(self) -> None:
        """Compare with the record the digest and the line of the record that each checkpoint holds."""
        for path in self.run.checkpoint_files():
            kept = checkpoint.read(path, self.run.origin())
            if not record.mark_matches(self.run.record_path, record.Mark(**kept["record"])):
                raise Differs(kept["step"], "the record before the checkpoint", "in its digest", "another")
            step, event = kept["step"], kept["event"]
            if not self.trainer.plan.saves(step):
                # an old end has means in its checkpoint
                event = {name: value for name, value in event.items() if name != "means"}
            line = self.saved.get(step, event)
            if line != event:
                raise Differs(step, "the line of the checkpoint", line, event)


def alike(recorded: object, repeated: object, tolerance: float) -> bool:
    """Return whether two values are equal, numbers within a tolerance; NaN equals NaN."""
    if not (_is_number(recorded) and _is_number(repeated)):
        return type(recorded) is type(repeated) and bool(recorded == repeated)
    if math.isnan(recorded) and math.isnan(repeated):
        return True
    return bool(recorded == repeated) or math.isclose(
        recorded, repeated, rel_tol=tolerance, abs_tol=tolerance
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flat(values: Values) -> dict[str, object]:
    """Return values with those of mappings as ``MAPPING/NAME``."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= {f"{name}/{key}": inner for key, inner in value.items()}
        else:
            found[name] = value
    return found


def _file_of(step: int) -> str:
    return f"step-{step:08d}.safetensors"


def _differences(recorded: object, repeated: object, place: str = "") -> Iterator[str]:
    """Yield the differences of two states, as paths of keys."""
    if isinstance(recorded, dict) and isinstance(repeated, dict):
        for key in dict.fromkeys([*recorded, *repeated]):
            path = f"{place}/{key}" if place else str(key)
            if path in ASIDE:
                continue
            if key not in recorded or key not in repeated:
                yield path
            else:
                yield from _differences(recorded[key], repeated[key], path)
    elif isinstance(recorded, list) and isinstance(repeated, list) and len(recorded) == len(repeated):
        for number, pair in enumerate(zip(recorded, repeated, strict=True)):
            yield from _differences(*pair, f"{place}/{number}")
    elif isinstance(recorded, Tensor) and isinstance(repeated, Tensor):
        same_kind = recorded.dtype == repeated.dtype and recorded.shape == repeated.shape
        # bit for bit: NaN equals NaN, and -0 differs from 0
        if not same_kind or not torch.equal(_bits(recorded), _bits(repeated)):
            yield place
    elif type(recorded) is not type(repeated) or recorded != repeated:
        yield place


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
