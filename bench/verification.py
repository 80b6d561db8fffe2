"""Whether a run comes out again: it is trained a second time and compared with its record."""

import json
import math
import tempfile
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench import checkpoint, environment, record
from bench.configuration import Configuration
from bench.errors import RequestError, WorkError
from bench.judging import health
from bench.judging.alarms import watch_over
from bench.progress import Progress
from bench.run_folder import RunFolder
from bench.trained import configuration_of
from bench.trainer import Diverged, Interrupted, Observer
from bench.workbench import Workbench, prepare_workbench

# Elsewhere rounding differs, and training makes it grow: with other convolution code three quick runs
# differed by more than this at steps 10, 17 and 43.
TOLERANCE_ELSEWHERE = 0.01
STEPS_ELSEWHERE = 5
# what decides the last bit of a number on a CPU
ARITHMETIC = ("processor", "cpu_capability", "threads", "gpu")
# in a checkpoint's line, neither is computed by the run
UNREPEATABLE = ("file", "train_seconds")


class Differs(WorkError):
    """A number came out otherwise.

    Parameters
    ----------
    step : int
        The first step that differs.
    name : str
        Name of the number.
    recorded, repeated : object
        Its two values; None where there is none.

    Attributes
    ----------
    notes : list of str
        How this machine and code differ from the record's.
    """

    def __init__(self, step: int, name: str, recorded: Any, repeated: Any) -> None:
        values = f"{name} is recorded as {recorded!r} and came out as {repeated!r}"
        super().__init__(f"first difference at step {step}: {values}")
        self.step, self.name, self.recorded, self.repeated = step, name, recorded, repeated
        self.notes: list[str] = []

    def __str__(self) -> str:
        return "; ".join([super().__str__(), *self.notes])


@dataclass
class Verification:
    """What was compared, all of it alike.

    Attributes
    ----------
    exact : bool
        Whether bit for bit.
    tolerance : float
        Largest difference that was let pass, relative or (of numbers below 1) absolute; 0 where exact.
    steps : int
        Steps trained again.
    numbers : int
        Numbers compared.
    checkpoints : int
        Checkpoints whose weights were compared.
    notes : list of str
        How this machine and code differ from the record's, and what was not compared.
    """

    exact: bool
    tolerance: float
    steps: int = 0
    numbers: int = 0
    checkpoints: int = 0
    notes: list[str] = field(default_factory=list)


def verify(
    run: RunFolder, progress: Progress, steps: int | None = None, tolerance: float | None = None
) -> Verification:
    """Train a run again from its record and compare every recorded number.

    Parameters
    ----------
    run : RunFolder
        A run that is over. It is only read.
    progress : Progress
        Told how it goes.
    steps : int, optional
        Compare no further than this step. By default the whole run where it can be repeated exactly:
        where processor, thread count, torch and numpy are those of the record and it was made on a CPU; else
        :data:`STEPS_ELSEWHERE`.
    tolerance : float, optional
        Largest difference to let pass, relative or (of numbers below 1) absolute. By default 0 where the
        run can be repeated exactly, else :data:`TOLERANCE_ELSEWHERE`.

    Raises
    ------
    RequestError
        If the run is not over.
    WorkError
        If the data, the configuration or the protocol is not what was recorded.
    Differs
        At the first number that differs; its step is named.
    """
    description, rows = run.describe(), record.read(run.record_path)
    if not rows.is_over() or rows.end is None:
        raise RequestError(f"run {description['name']} is not over: bench run --resume {run.id} first")
    check_as_written(run)
    configuration = as_recorded(description)
    workbench = prepare_workbench(configuration, progress)
    differences = unlike(description, environment.facts())
    exact = not differences and workbench.device.type == "cpu"
    allowed = (0.0 if exact else TOLERANCE_ELSEWHERE) if tolerance is None else tolerance
    last = min(steps or (rows.end["step"] if exact else STEPS_ELSEWHERE), rows.end["step"])
    check_identity(description, configuration, workbench)
    result = Verification(allowed == 0, allowed, notes=differences)
    if rows.shared_from is not None and rows.shared_from < last:
        last = rows.shared_from
        result.notes.append(f"steps after {last} were trained by several processes and are not compared")
    if (commit := environment.commit()) != description["environment"]["commit"]:
        result.notes.append(f"code: recorded at {description['environment']['commit']}, this is {commit}")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-verify-") as temporary:
            repeat(run, rows, workbench, last, Path(temporary), result, progress)
    except Differs as error:
        error.notes = result.notes
        raise
    return result


def check_as_written(run: RunFolder) -> None:
    """Differs at the first line whose text is not what a run writes for its values.

    A last digit may be altered without changing the nearest floating-point number.
    """
    for line in run.record_path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if json.dumps(row) != line:
            raise Differs(row.get("step", 0), "a line", line, json.dumps(row))


def as_recorded(description: dict[str, Any]) -> Configuration:
    """The configuration with the device and the thread count that the run had."""
    recorded = description["environment"]
    configuration = configuration_of(description)
    return configuration.with_values(
        device="cpu" if recorded["gpu"] is None else configuration.harness.device,
        threads=recorded["threads"],
    )


def unlike(description: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of this machine that decides the last bit differs from the record's, in words."""
    then = description["environment"]
    pairs = {name: (then[name], now[name]) for name in ARITHMETIC}
    # sums over processes are made in another order
    pairs["processes"] = (then.get("ranks", 1), 1)
    # most metrics are computed by numpy
    for name in ("torch", "numpy"):
        pairs[name] = (then["packages"].get(name), now["packages"].get(name))
    return [f"{name}: recorded with {a}, this is {b}" for name, (a, b) in pairs.items() if a != b]


def judged_otherwise(description: dict[str, Any]) -> str:
    """Why this version's health tag of a run need not be the recorded one; "" where it must be."""
    if "real" not in description:
        return "what real samples scored was not recorded"
    if (rules := description.get("health_rules")) is None:
        return "the rule of collapse was not recorded"
    return "" if rules == health.rules() else "the run began under another rule of collapse"


def check_identity(description: dict[str, Any], configuration: Configuration, workbench: Workbench) -> None:
    """Compare what the run was with what is to be trained; WorkError where they differ."""
    for what, recorded, found in (
        ("configuration hash", description["config_hash"], configuration.hash(description["config"])),
        ("data hash", description["data"]["hash"], workbench.array.hash),
        ("protocol", description["protocol"], workbench.judge.protocol),
    ):
        if recorded != found:
            raise WorkError(f"run {description['name']}: {what} is recorded as {recorded} and is now {found}")


def repeat(
    run: RunFolder,
    rows: record.Record,
    workbench: Workbench,
    last: int,
    folder: Path,
    result: Verification,
    progress: Progress,
) -> None:
    """Train in `folder` up to step `last`, comparing as it goes; then compare how the run ended."""
    assert rows.end is not None
    writer = record.RecordWriter(folder / record.FILE)
    trainer = workbench.trainer(writer, folder, record.Record(), [progress], lambda: trainer.step >= last)
    rows.checkpoints = [row for row in rows.checkpoints if trainer.plan.saves(row["step"])]
    description = run.describe()
    real = description.get("real")
    comparison = Comparison(run, rows, last, result, folder, frozenset(real or ()))
    trainer.observers.append(comparison)
    diverged_at = None
    try:
        with progress.bar(trainer):
            trainer.train()
    except Interrupted:
        pass
    except Diverged as error:
        diverged_at = error.step
    finally:
        writer.close()
    if comparison.unknown:
        names = ", ".join(comparison.unknown)
        result.notes.append(
            f"not compared: {len(comparison.unknown)} metrics that the run did not measure: {names}"
        )
    if (rules := description.get("alarms")) is not None:
        comparison.compare_alarms(rows, rules)
    elif rows.steps:
        result.notes.append("not compared: alarms, which the run did not watch for")
    if last < rows.end["step"]:
        return
    comparison.nothing_left()
    step = rows.end["step"]
    # by what real samples scored then: of metrics that were added since, the run was not judged
    judged = workbench.judging_as(description)
    ending = judged.verdict(record.read(folder / record.FILE), diverged_at)
    was = rows.end["health"]
    unknown = judged_otherwise(description)
    if unknown and diverged_at is None and not was.startswith("diverged"):
        result.notes.append(f"not compared: health, recorded as {was}: {unknown}")
    else:
        comparison.compare(step, "health", was, ending["health"])
    comparison.compare_row(step, rows.end["best"], ending["best"])


class Comparison(Observer):
    """Compares what a trainer tells with a record, up to a step.

    Parameters
    ----------
    run : RunFolder
        The run.
    rows : Record
        Its record, without checkpoints that only let it stop.
    last : int
        The step to compare up to.
    result : Verification
        Counts what was compared.
    folder : Path
        Where the trainer writes checkpoints.
    measured : set of str
        The metrics that the run measured, where its description tells. Evaluations are compared by these and
        those that the record has.

    Attributes
    ----------
    unknown : dict
        Its keys are the metrics that are measured now and were not then.
    """

    def __init__(
        self,
        run: RunFolder,
        rows: record.Record,
        last: int,
        result: Verification,
        folder: Path,
        measured: frozenset[str] = frozenset(),
    ) -> None:
        self.run, self.last, self.result, self.folder = run, last, result, folder
        self.measured = measured
        self.unknown: dict[str, None] = {}
        self.kinds = {
            kind: {row["step"]: row for row in lines if row["step"] <= last}
            for kind, lines in (
                ("step", rows.steps),
                ("evaluation", rows.evaluations),
                ("checkpoint", rows.checkpoints),
            )
        }

    def scalars(self, rows: list[dict[str, Any]]) -> None:
        """Compare steps."""
        for row in rows:
            self.take("step", row)
            self.result.steps = row["step"]

    def evaluation(self, row: dict[str, Any], grid: Tensor) -> None:
        """Compare an evaluation, by the metrics that the run had."""
        recorded = self.kinds["evaluation"].get(row["step"], row)
        new = [name for name in row if name not in recorded and name not in self.measured]
        self.unknown |= dict.fromkeys(new)
        self.take("evaluation", {name: value for name, value in row.items() if name not in new})

    def checkpoint(self, row: dict[str, Any]) -> None:
        """Compare M's mean, and the weights where the run still has that checkpoint."""
        if "M" in row or row["step"] in self.kinds["checkpoint"]:
            self.take("checkpoint", row)
        kept = self.run.checkpoints / row["file"]
        if self.result.exact and kept.exists():
            recorded = checkpoint.read(kept, self.run.origin())
            repeated = checkpoint.read(self.folder / row["file"])
            for name, tensor in recorded["variant"].items():
                if not torch.equal(tensor, repeated["variant"][name]):
                    raise Differs(row["step"], f"weights of {name}", "in the checkpoint", "others")
            self.result.checkpoints += 1

    def compare_alarms(self, rows: record.Record, rules: dict[str, Any]) -> None:
        """Compare the recorded alarms with those that the recorded steps raise.

        The steps have come out the same by now. Within a tolerance they would not raise alarms at quite the
        same ones; and words are for people.
        """
        steps = (row for row in rows.steps if row["step"] <= self.last)
        repeated = [(alarm.step, alarm.kind) for alarm in watch_over(steps, **rules)]
        recorded = [(row["step"], row["kind"]) for row in rows.alarms if row["step"] <= self.last]
        for then, now in zip_longest(recorded, repeated):
            step = min(alarm[0] for alarm in (then, now) if alarm)
            self.compare(step, "alarm", *(alarm and f"{alarm[1]}@{alarm[0]}" for alarm in (then, now)))

    def take(self, kind: str, row: dict[str, Any]) -> None:
        """Compare a line with the recorded one of its kind and step."""
        recorded = self.kinds[kind].pop(row["step"], None)
        if recorded is None:
            raise Differs(row["step"], kind, None, row)
        self.compare_row(row["step"], recorded, row)

    def compare_row(self, step: int, recorded: dict[str, Any], repeated: dict[str, Any]) -> None:
        """Compare named numbers."""
        for name in dict.fromkeys([*recorded, *repeated]):
            if name not in UNREPEATABLE:
                self.compare(step, name, recorded.get(name), repeated.get(name))

    def compare(self, step: int, name: str, recorded: Any, repeated: Any) -> None:
        """Compare one number; Differs if it is another."""
        self.result.numbers += 1
        if recorded == repeated:
            return
        allowed = self.result.tolerance
        numbers = isinstance(recorded, int | float) and isinstance(repeated, int | float)
        if numbers and math.isnan(recorded) and math.isnan(repeated):
            return
        if not numbers or not math.isclose(recorded, repeated, rel_tol=allowed, abs_tol=allowed):
            raise Differs(step, name, recorded, repeated)

    def nothing_left(self) -> None:
        """Differs if the record holds a line that did not come again."""
        for kind, rows in self.kinds.items():
            for step, row in rows.items():
                raise Differs(step, kind, row, None)
