"""A run's folder: its identity, record, checkpoints, sample grids and figures."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench.runs import description, record
from bench.runs.damaged_runs import warn_of_damaged
from bench.runs.description import RunDescription
from bench.runs.run_names import with_hyphens
from bench.system import paths
from bench.system.atomic_files import write_text
from bench.system.errors import RequestError, WorkError, shown
from bench.system.os_errors import system_error_message

FILE = "run.json"


@dataclass(frozen=True)
class Origin:
    """The run that a checkpoint belongs to.

    Attributes
    ----------
    run_id : str
        Id of the run.
    config_hash : str
        Hash of the configuration that it began with.
    """

    run_id: str
    config_hash: str


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes
    ----------
    path : Path
        ``mlruns/runs/RUN_ID``.
    """

    path: Path

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def id(self) -> str:
        """The run's id, the same as in MLflow where it is tracked."""
        return self.path.name

    @property
    def description_path(self) -> Path:
        """The run's description, run.json."""
        return self.path / FILE

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
        """Return the lock of the process that trains the run; the system frees it when that process dies."""
        return FileLock(self.path / ".lock", timeout=0)

    def sending_lock(self) -> FileLock:
        """Return the lock of the process that sends the run to its tracking store."""
        return FileLock(self.path / ".tracking.lock", timeout=0)

    def describe(self) -> RunDescription:
        """Read the description of the run.

        Raises
        ------
        WorkError
            If run.json cannot be read, is of another format, is damaged, or was changed since it was written.
        """
        path = self.description_path
        try:
            return description.parse(path.read_text(encoding="utf-8"))
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
        except UnicodeDecodeError as error:
            problem = f"is damaged: {error}"
        except ValueError as error:
            problem = str(error)
        raise WorkError(f"{path} {problem}; put a copy of the original back, or move {self.path} away")

    def write_description(self, described: RunDescription) -> None:
        """Write run.json."""
        write_text(self.description_path, description.dump(described))

    def is_over(self) -> bool:
        """Return whether the run finished or diverged, rather than being stopped or broken off."""
        return record.read(self.record_path).is_over()

    def origin(self) -> Origin:
        """Return what checkpoints of the run record of it."""
        return origin_of(self.describe())

    def checkpoint_files(self) -> list[Path]:
        """Return the checkpoint files, the newest first, without temporary files."""
        return sorted(self.checkpoints.glob("step-*.safetensors"), reverse=True)


def origin_of(described: RunDescription) -> Origin:
    """Return what checkpoints record of the run with this description."""
    return Origin(described.id, described.first_config_hash)


def create(described: RunDescription) -> RunFolder:
    """Make the folder of a new run, run.json last: a folder without run.json is no run.

    Raises
    ------
    WorkError
        If the folder cannot be made; nothing is left then.
    """
    run = RunFolder(paths.runs() / described.id)
    try:
        for folder in (run.checkpoints, run.samples, run.figures):
            folder.mkdir(parents=True)
        run.write_description(described)
    except OSError as error:
        shutil.rmtree(run.path, ignore_errors=True)
        raise WorkError(f"no run can be made: {system_error_message(error, run.path)}") from error
    except WorkError:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


@dataclass(frozen=True)
class Survey:
    """The runs below ``mlruns/runs``.

    Attributes
    ----------
    runs : list of (RunFolder, RunDescription)
        Every run whose description can be read, and the description; oldest first.
    damaged : dict
        The path of every other run.json, with the line that says what is wrong with it.
    """

    runs: list[tuple[RunFolder, RunDescription]]
    damaged: dict[Path, str]


def survey() -> Survey:
    """Read the description of every run."""
    runs, damaged = [], {}
    for path in sorted(paths.runs().glob(f"*/{FILE}")):
        run = RunFolder(path.parent)
        try:
            runs.append((run, run.describe()))
        except WorkError as error:
            damaged[path] = str(error)
    return Survey(sorted(runs, key=lambda pair: (pair[1].created, pair[0].id)), damaged)


def all_runs() -> list[RunFolder]:
    """Return all runs, oldest first; one line warns of runs with a damaged description."""
    found = survey()
    warn_of_damaged(found.damaged)
    return [run for run, _ in found.runs]


def find(word: str, damaged: bool = False, trials: bool = True) -> RunFolder:
    """Return the run that a word names: an id or name, a unique beginning, or ``last``.

    A name may have hyphens in place of its spaces, so that a shell needs no quotes.

    Parameters
    ----------
    word : str
        What the user types.
    damaged : bool
        Whether the description of the run may be damaged.
    trials : bool
        Whether the run may be one of a trial of a study; without trials `last` is the newest of the others.

    Raises
    ------
    RequestError
        If no run or more than one matches, or the run is a trial's and must not be one.
    WorkError
        If the description of the run is damaged, unless that is allowed.
    """
    found = survey()
    names = {run.id: described.name for run, described in found.runs}
    ids = [*names, *(path.parent.name for path in found.damaged)]
    if not ids:
        raise RequestError(f"run {shown(word)} does not exist: there are no runs in {paths.runs()}")
    matches = [word] if word in ids else [run_id for run_id in ids if word and run_id.startswith(word)]
    hyphened = {run_id: with_hyphens(name) for run_id, name in names.items()}
    key = with_hyphens(word)
    if word == "last" or key in hyphened.values() or not matches:
        # the word may name a damaged run
        warn_of_damaged(found.damaged)
        matches = [run_id for run_id, name in hyphened.items() if name == key]
        if word and not matches:
            matches = [run_id for run_id, name in hyphened.items() if name.startswith(key)]
        if word == "last":
            matches = [run.id for run, described in found.runs if trials or not described.study][-1:]
            if not matches and names:
                raise RequestError("run 'last' does not exist: all runs here are trials of studies")
    if len(matches) > 1:
        # a name shows whose it is; two runs of one name have ids
        several = [names.get(run_id, run_id) for run_id in matches]
        several = several if len(set(several)) == len(several) else matches
        more = f" and {len(several) - 4} more" if len(several) > 4 else ""
        raise RequestError(f"run {shown(word)} means {len(several)} runs: {', '.join(several[:4])}{more}")
    if not matches:
        recent = ", ".join(list(names.values())[-3:])
        such_as = f" such as {recent}" if recent else ""
        raise RequestError(
            f"run {shown(word)} does not exist: give an id, a name{such_as}, a unique beginning, or last"
        )
    run = RunFolder(paths.runs() / matches[0])
    if not damaged and (line := found.damaged.get(run.description_path)):
        raise WorkError(line)
    trial = next((described.study for each, described in found.runs if each.id == run.id), None)
    if trial and not trials:
        raise RequestError(
            f"{names[run.id]} is trial {trial.trial} of {trial.name}: only the study's own command trains "
            "its trials; train a run of your own instead"
        )
    return run


def is_held(run: RunFolder) -> bool:
    """Return whether a living process trains the run."""
    try:
        with run.lock():
            return False
    except Timeout:
        return True
