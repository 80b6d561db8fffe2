"""The studies below ``mlruns/studies``: what each is, how far it is, and what it takes on the disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel, ConfigDict, ValidationError

from bench.comparing.run_list import age_of, size_of
from bench.runs.run_folder import survey
from bench.searching import trials
from bench.searching.address import open_storage
from bench.searching.journal_storage import JOURNAL
from bench.searching.storage import Storage
from bench.searching.study_loop import DESCRIPTION
from bench.system import paths
from bench.system.errors import RequestError, WorkError, unknown
from bench.system.json_values import JsonScalar


class _Stated(BaseModel):
    """What the list reads of a study.json."""

    model_config = ConfigDict(extra="ignore")

    name: str
    experiment: str
    data_hash: str
    config: dict[str, JsonScalar]
    search: dict[str, str]
    objectives: list[str]
    file: dict[str, object]


@dataclass(frozen=True)
class ListedStudy:
    """A study as the list shows it.

    Attributes
    ----------
    name, variant, dataset, experiment : str
        Names.
    objectives : list of str
        The objectives, as text.
    trials, budget : int or None
        Trials that ended, and how many there are to be; None if the storage was not opened.
    best : list of float or None
        Values of the best complete trial, or None; for several objectives the best in the first one.
    state : str
        ``over``, ``in progress``, ``stopped``, or ``in a database``, whose address was not given.
    runs : int
        Runs of its trials on this machine.
    size : int
        Bytes on the disk: the study's folder and those of its runs.
    created : str
        When the study began, as far as the folder shows it.
    """

    name: str
    variant: str
    dataset: str
    experiment: str
    objectives: list[str]
    trials: int | None
    budget: int | None
    best: list[float] | None
    state: str
    runs: int
    size: int
    created: str

    @property
    def age(self) -> str:
        """Time since the study began, such as ``3 h``."""
        return age_of(self.created)


def folders() -> list[Path]:
    """Return the folders of all studies, by name."""
    return sorted(path.parent for path in paths.studies().glob(f"*/{DESCRIPTION}"))


def find(word: str) -> Path:
    """Return the folder of the study that a word names: its name, or a unique beginning of the name.

    Raises
    ------
    RequestError
        If no study or more than one matches.
    """
    names = [folder.name for folder in folders()]
    matches = [word] if word in names else [name for name in names if word and name.startswith(word)]
    if len(matches) > 1:
        raise RequestError(f"study {word!r} means {len(matches)} studies: {', '.join(matches[:4])}")
    if not matches:
        raise unknown("study", word, names)
    return paths.studies() / matches[0]


def stated(folder: Path) -> _Stated:
    """Read a study.json.

    Raises
    ------
    WorkError
        If it is damaged.
    """
    path = folder / DESCRIPTION
    try:
        return _Stated.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise WorkError(f"{path} is damaged: {' '.join(str(error).split())[:200]}") from None


def storage_of(folder: Path, url: str | None) -> Storage | None:
    """Open the storage of a study; None if it is in a database and no address is given."""
    if (folder / JOURNAL).exists():
        return open_storage(None, folder, folder.name, 60)
    return open_storage(url, folder, folder.name, 60) if url else None


def listed(chosen: Iterable[Path], url: str | None = None) -> list[ListedStudy]:
    """Return studies as the list shows them, the newest first.

    Parameters
    ----------
    chosen : iterable of Path
        Folders of studies.
    url : str, optional
        Address of the database of those studies that have no journal.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    runs: dict[str, list[int]] = {}
    for run, description in survey().runs:
        if description.study:
            runs.setdefault(description.study.name, []).append(size_of(run.path))
    found = []
    for folder in chosen:
        said, storage = stated(folder), storage_of(folder, url)
        study = _load(storage, said.name)
        sizes = runs.get(said.name, [])
        budget = said.file.get("trials")
        ended, state = None, "in a database"
        known = study.get_trials(deepcopy=False) if study else []
        if study and storage:
            ended = trials.count_ended(known)
            is_over = isinstance(budget, int) and ended >= budget
            state = "in progress" if storage.is_busy() else "over" if is_over else "stopped"
        found.append(
            ListedStudy(
                name=said.name,
                variant=str(said.config["variant"]),
                dataset=str(said.config["dataset"]),
                experiment=said.experiment,
                objectives=said.objectives,
                trials=ended,
                budget=budget if isinstance(budget, int) else None,
                best=_best(study) if study else None,
                state=state,
                runs=len(sizes),
                size=size_of(folder) + sum(sizes),
                created=_began(folder, known),
            )
        )
    return sorted(found, key=lambda each: each.created, reverse=True)


def _began(folder: Path, known: Iterable[FrozenTrial]) -> str:
    """Return when the first trial began, or without one when the study was described."""
    started = [trial.datetime_start for trial in known if trial.datetime_start]
    described = datetime.fromtimestamp((folder / DESCRIPTION).stat().st_mtime)
    # Optuna's times are local ones
    return min(started, default=described).astimezone(UTC).isoformat()


def _load(storage: Storage | None, name: str) -> Study | None:
    """Return a study, None if its storage is not open or does not know it."""
    if storage is None:
        return None
    try:
        return optuna.load_study(study_name=name, storage=storage.optuna)
    except KeyError:
        return None


def _best(study: Study) -> list[float] | None:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if study.directions[0].name == "MINIMIZE" else -1
    best = min(complete, key=lambda trial: sign * trial.values[0], default=None)
    return list(best.values) if best else None
