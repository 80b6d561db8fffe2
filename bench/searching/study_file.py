"""Study files: search space, objectives, sampler, pruner and budget of a study."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, StrictInt, ValidationError, field_validator

from bench.configuration import LARGEST_SEED, is_name, yaml_files
from bench.judging.metrics.registry import FRECHET_DISTANCE
from bench.system import paths
from bench.system.errors import RequestError, printable, shown, unknown
from studies import shipped
from variants.knobs import Knobs, knob

DECLARED = "declared"
MOST_TRIALS = 100_000
LONGEST_TITLE = 100  # characters of a study's name, of which folders are named


class Objective(Knobs):
    """An objective."""

    metric: str = knob(
        FRECHET_DISTANCE,
        "a metric of the evaluations, a scalar of the steps (its mean since the previous evaluation), or "
        "frechet_distance, whichever the judge measures",
    )
    direction: Literal["minimize", "maximize"] | None = knob(
        None, "which direction is better; by default the metric's own, or what the variant declares"
    )
    select: Literal["last", "best"] = knob(
        "last", "which value counts: of the last evaluation, or the best of all"
    )


class Range(Knobs):
    """The range of a searched value; missing entries are those that the variant declares."""

    knobs: tuple[str, ...] = knob((), "the knobs that get the value; by default the entry's name")
    low: float | None = knob(None, "lower bound, inclusive")
    high: float | None = knob(None, "upper bound, inclusive")
    scale: Literal["linear", "log"] | None = knob(None, "how the range is sampled")
    choices: tuple[object, ...] | None = knob(None, "the values to choose from, instead of a range")


class Sampler(Knobs):
    """The sampler, which suggests the next trial."""

    name: Literal["tpe", "gp", "random"] = knob(
        "tpe",
        "Optuna's tree-structured Parzen estimator, a Gaussian process (better on few trials of "
        "continuous ranges, slower to ask), or random search",
    )
    startup_trials: int = knob(
        8, "trials drawn at random before the sampler learns", unit="trials", low=1, high=MOST_TRIALS
    )
    seed: int = knob(0, "seed from which every trial's draws are derived", low=0, high=LARGEST_SEED)


class Pruner(Knobs):
    """The pruner, which ends bad trials early."""

    name: Literal["median", "hyperband", "none"] = knob(
        "median",
        "a trial worse than the median of the complete ones at the same point; Optuna's hyperband; or none",
    )
    startup_trials: int = knob(
        4, "complete trials before the median prunes", unit="trials", low=1, high=MOST_TRIALS
    )
    warmup: float = knob(0.25, "share of a run before which the median does not prune", low=0, high=1)
    collapse_after: float = knob(
        0.5,
        "share of a run after which a collapsed evaluation ends the trial; 1 never ends a trial for collapse",
        low=0,
        high=1,
    )


class StudyFile(Knobs):
    """A study file."""

    description: str = knob("", "what the study is for")
    variant: str | None = knob(None, "what is trained, unless --variant is given")
    objectives: tuple[Objective, ...] = knob((Objective(),), "what is optimised; several make a Pareto front")
    search: dict[str, Range] = knob(
        {}, "what is searched; by default all knobs for which the variant declares a range"
    )
    settings: dict[str, object] = knob({}, "configuration keys of every run, as for bench run")
    sampler: Sampler = knob(Sampler(), "what suggests the next trial")
    pruner: Pruner = knob(Pruner(), "what ends a trial early")
    seeds: tuple[StrictInt, ...] = knob((0,), "seeds that every trial trains; the objective is their mean")
    trials: int = knob(
        24, "budget: number of trials, including pruned trials", unit="trials", low=1, high=MOST_TRIALS
    )
    grace: int = knob(
        30,
        "a worker without a heartbeat for so long counts as dead, and its trial is retried; only for studies "
        "in a PostgreSQL database",
        unit="seconds",
        low=1,
        high=86_400,
    )
    fresh_seeds: tuple[StrictInt, ...] = knob(
        (), "seeds with which the winner is trained again after the search; none of `seeds`"
    )

    @field_validator("search", mode="before")
    @classmethod
    def _read_search(cls, value: object) -> object:
        """``NAME: declared`` stands for the range that the variant declares."""
        if not isinstance(value, Mapping):
            return value
        for name in value:
            if not re.fullmatch(r"[\w.-]+", str(name)):
                raise ValueError(f"the name {shown(name)} must be of letters, digits, '_', '-' and '.'")
        return {name: {} if entry == DECLARED else entry for name, entry in value.items()}

    @field_validator("seeds", "fresh_seeds")
    @classmethod
    def _check_seeds(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or not all(0 <= seed <= LARGEST_SEED for seed in value):
            raise ValueError("different whole numbers from 0 to 2**63 - 1 are needed")
        return value


PARTS: Mapping[str, type[BaseModel]] = {
    "objectives": Objective,
    "search": Range,
    "sampler": Sampler,
    "pruner": Pruner,
}


def read(word: str, **overrides: object) -> tuple[str, StudyFile]:
    """Read a study file.

    Parameters
    ----------
    word : str
        The name of a shipped file, or a path.
    **overrides
        Keys of the file to override; None keeps the file's value.

    Returns
    -------
    name : str
        The file's name without suffix.
    file : StudyFile
        The file's content.

    Raises
    ------
    RequestError
        If there is no such file, a key is unknown or a value not possible. For the name of a study that was
        begun, the message says that its file is needed.
    """
    known = shipped()
    path = Path(word)
    if not is_name(path.stem) or len(path.stem) > LONGEST_TITLE:
        raise RequestError(
            f"study {shown(word)}: its name must be of 1 to {LONGEST_TITLE} printable characters"
        )
    if word in known:
        path = known[word]
    elif path.suffix not in (".yaml", ".yml") and not path.exists():
        raise _no_file(word, known)
    content = yaml_files.read(path) | {key: value for key, value in overrides.items() if value is not None}
    try:
        file = StudyFile(**content)
    except ValidationError as error:
        raise RequestError(f"{path.name}: {describe_error(error, content)}") from None
    _check(path.name, file)
    return path.stem, file


@contextmanager
def named_in_errors(title: str) -> Iterator[None]:
    """Put the study's name before the message of a RequestError about its file."""
    try:
        yield
    except RequestError as error:
        raise RequestError(f"study {title}: {error}") from None


def check_settings(settings: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse keys of a study file among the configuration keys of its runs.

    Parameters
    ----------
    settings : mapping
        Keys and values, as ``--set`` or ``settings`` of the file give them.
    known : collection of str
        The configuration keys of the variant.

    Raises
    ------
    RequestError
        If a key is none of `known`, and one of a study file. The message says where the key belongs.
    """
    for key, value in settings.items():
        if key in known:
            continue
        entry = f"{key}: {printable(str(value))[:40]}"
        places = [f"{part}: {{{entry}}}" for part in ("pruner", "sampler") if key in PARTS[part].model_fields]
        places += [entry] * (key in StudyFile.model_fields)
        if places:
            raise RequestError(
                f"{key} is no key of a run: it belongs into the study file, as {' or '.join(places)}"
            )


def _no_file(word: str, known: Collection[str]) -> RequestError:
    """Return the error for a word that names no file, with the file that was probably meant."""
    studies = paths.studies()
    begun = sorted(path.parent.name for path in studies.glob("*/study.json"))
    begun = [name for name in begun if name == word or name.startswith(f"{word}-")]
    if begun:
        # a study is named FILE-VARIANT-IDENTITY, and each of these may have hyphens
        parts = begun[0].split("-")
        beginnings = ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
        file = next((file for each in beginnings for file in _files(each, known)), "FILE.yaml")
        return RequestError(
            f"study {shown(word)} has begun, as {begun[0]} in {studies}, and its file continues it: "
            f"bench study {file}"
        )
    for file in _files(word, known):
        return RequestError(f"study {shown(word)} is none of the project's: did you mean the file {file}?")
    return unknown("study", word, known)


def _files(name: str, known: Collection[str]) -> list[str]:
    """Return the words by which ``bench study`` reads a file of that name: in this folder, or shipped."""
    here = [f"{name}{suffix}" for suffix in (".yaml", ".yml") if Path(f"{name}{suffix}").is_file()]
    return here + [name] * (name in known)


def _check(name: str, file: StudyFile) -> None:
    """Check entries against each other."""
    if not file.seeds or not file.objectives:
        raise RequestError(f"{name}: seeds and objectives must not be empty")
    if both := sorted(set(file.seeds) & set(file.fresh_seeds)):
        raise RequestError(f"{name}: fresh_seeds holds {both[0]}, which the trials train on")
    for key in ("seed", "variant", "device", "threads", "experiment"):
        if key in file.settings:
            raise RequestError(f"{name}: settings must not hold {key!r}, which is set elsewhere")


def describe_error(error: ValidationError, content: Mapping[str, object]) -> str:
    """Return the first error as one line."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        parts = [PARTS[str(part)] for part in first["loc"][:-1] if part in PARTS]
        model = parts[0] if parts else StudyFile
        return str(unknown(f"key in {where.rpartition('.')[0] or 'the study file'}", key, model.model_fields))
    message = first["msg"].removeprefix("Value error, ")
    return f"{printable(where)}: {shown(first['input'])} is not possible: {message[:1].lower()}{message[1:]}"
