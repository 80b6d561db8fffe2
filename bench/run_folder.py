"""A run's folder: its identity, record, checkpoints, sample grids and figures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench import places, record
from bench.atomic import write_text
from bench.errors import RequestError, WorkError


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes
    ----------
    path : Path
        ``mlruns/runs/RUN_ID``.
    """

    path: Path

    @property
    def id(self) -> str:
        """The run's id, the same as in MLflow where it is tracked."""
        return self.path.name

    @property
    def record_path(self) -> Path:
        """The append-only record."""
        return self.path / record.FILE

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Folder of sample grids."""
        return self.path / "samples"

    @property
    def figures(self) -> Path:
        """Folder of figures."""
        return self.path / "figures"

    def lock(self) -> FileLock:
        """Held by the process that trains the run; the system frees it when that process dies."""
        return FileLock(self.path / ".lock", timeout=0)

    def describe(self) -> dict[str, Any]:
        """What run.json says: id, name, config, data, protocol, environment, tracking, command."""
        try:
            described: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WorkError(f"{self.path / 'run.json'} cannot be read: {error}") from None
        return described

    def is_over(self) -> bool:
        """Whether the run came to an end that stands: finished or diverged."""
        return record.read(self.record_path).is_over()

    def newest_checkpoint(self) -> tuple[dict[str, Any], list[str]]:
        """The newest checkpoint that is whole.

        Returns
        -------
        state : dict
            As :func:`bench.checkpoint.read` gives it.
        warnings : list of str
            One line for each damaged file that was passed over.

        Raises
        ------
        WorkError
            If there is none.
        """
        # the tracking process has no use for torch
        from bench import checkpoint

        warnings: list[str] = []
        for path in sorted(self.checkpoints.glob("step-*.safetensors"), reverse=True):
            try:
                return checkpoint.read(path), warnings
            except WorkError as error:
                warnings.append(str(error))
        raise WorkError("; ".join(warnings) or f"run {self.id} has no checkpoint: start it again")


def create(run_id: str, description: dict[str, Any]) -> RunFolder:
    """Make the folder of a new run, run.json last: a folder without it is no run."""
    run = RunFolder(places.runs() / run_id)
    for folder in (run.checkpoints, run.samples, run.figures):
        folder.mkdir(parents=True)
    write_text(run.path / "run.json", json.dumps(description, indent=2) + "\n")
    return run


def all_runs() -> list[RunFolder]:
    """Every run there is, oldest first."""
    found = [RunFolder(path.parent) for path in places.runs().glob("*/run.json")]
    return sorted(found, key=lambda run: (run.describe()["created"], run.id))


def find(word: str) -> RunFolder:
    """The run that a word names: an id, a unique prefix of one, a name, or ``last``.

    Raises
    ------
    RequestError
        If no run or more than one is meant.
    """
    runs = all_runs()
    if not runs:
        raise RequestError(f"run {word!r} does not exist: there are no runs in {places.runs()}")
    if word == "last":
        return runs[-1]
    matches = [run for run in runs if run.id == word or run.describe()["name"] == word]
    matches = matches or [run for run in runs if word and run.id.startswith(word)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RequestError(
            f"run {word!r} means {len(matches)} runs: {', '.join(run.id for run in matches[:4])}"
        )
    recent = ", ".join(str(run.describe()["name"]) for run in runs[-3:])
    raise RequestError(
        f"run {word!r} does not exist: give an id, a unique prefix of one, a name such as {recent}, or last"
    )


def is_held(run: RunFolder) -> bool:
    """Whether a living process trains the run."""
    try:
        with run.lock():
            return False
    except Timeout:
        return True
