"""The list of runs: what each is, how it ended, and what it takes on the disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.runs.damaged_runs import warn_of_damaged
from bench.runs.description import RunDescription
from bench.runs.record import RecordEvents
from bench.runs.run_folder import RunFolder, is_held
from bench.system import paths
from bench.system.errors import WorkError


@dataclass(frozen=True)
class ListedRun:
    """A run as the list shows it.

    Attributes
    ----------
    id, name, variant, dataset, preset, experiment : str
        Names.
    seed : int
        The seed.
    study : str or None
        Name of the study that the run belongs to.
    trial : int or None
        Number of the study's trial.
    steps : int
        Planned steps.
    step : int
        The last step of which the record has an evaluation, a checkpoint or the end; 0 before that.
    state : str
        ``over``, ``in training``, ``stopped``, or ``ended`` for a run of a trial that was ended before its
        last step, such as by the study's pruner.
    health : str or None
        The verdict of the last end, None before the first end.
    metric : str
        Name of the Frechet distance; empty for a run without a judge.
    distance : float or None
        The distance at the last evaluation; None before that, and without a judge.
    size : int
        Bytes on the disk: the folder, and the artifacts below ``mlruns/artifacts``.
    created : str
        When the run began.
    """

    id: str
    name: str
    variant: str
    dataset: str
    preset: str
    experiment: str
    seed: int
    study: str | None
    trial: int | None
    steps: int
    step: int
    state: str
    health: str | None
    metric: str
    distance: float | None
    size: int
    created: str

    @property
    def health_text(self) -> str:
        """The verdict, if the run has had an end, and unless it is over its state and step."""
        state = "" if self.state == "over" else f"{self.state}@{self.step}"
        return ", ".join(filter(None, [self.health, state]))

    @property
    def age(self) -> str:
        """Time since the run began, such as ``3 h``."""
        return age_of(self.created)


def listed(pairs: Iterable[tuple[RunFolder, RunDescription]]) -> list[ListedRun]:
    """Return runs as the list shows them, in the same order; damaged records are left out with a warning."""
    found, damaged = [], {}
    for run, description in pairs:
        try:
            recorded = RecordEvents(run.record_path).record
        except WorkError as error:
            damaged[run.record_path] = str(error)
            continue
        config, end = description.config, recorded.end
        evaluation = recorded.evaluations[-1] if recorded.evaluations else None
        last = [event.step for event in (evaluation, end, *recorded.checkpoints[-1:]) if event]
        state = "over" if recorded.is_over() else "in training" if is_held(run) else "stopped"
        if state == "stopped" and end and description.study:
            state = "ended"
        found.append(
            ListedRun(
                id=run.id,
                name=description.name,
                variant=config.variant,
                dataset=config.dataset,
                preset=config.preset,
                experiment=config.experiment,
                seed=config.seed,
                study=description.study.name if description.study else None,
                trial=description.study.trial if description.study else None,
                steps=config.steps,
                step=max(last, default=0),
                state=state,
                health=end.health if end else None,
                metric=description.metric,
                distance=evaluation.values.get(description.metric) if evaluation else None,
                size=size_of(run.path) + size_of(paths.results() / "artifacts" / run.id),
                created=description.created,
            )
        )
    warn_of_damaged(damaged)
    return found


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder, 0 without one."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except FileNotFoundError:
            # a run in training deletes checkpoints
            continue
    return total


def age_of(created: str) -> str:
    """Return the time since a moment in ISO 8601, in its largest unit."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
