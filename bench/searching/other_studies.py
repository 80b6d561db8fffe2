"""Other studies of a study file, and the keys in which they differ from a plan."""

from collections.abc import Mapping

from bench.configuration import EXECUTION_SETTINGS, knobs_of
from bench.searching.plan import StudyPlan
from bench.searching.study_list import folders, stated
from bench.system.errors import WorkError
from variants.knobs import neutral_of

SHOWN = 3  # studies


def notes_on_others(plan: StudyPlan) -> list[str]:
    """Return a line for each other study of the file and variant, those with fewest differences first."""
    found = sorted(others_of(plan).items(), key=lambda pair: len(pair[1]))
    lines = [
        f"another study of this file: {name} (differs in {', '.join(keys) or 'what its runs compute'})"
        for name, keys in found[:SHOWN]
    ]
    more = len(found) - SHOWN
    return [*lines, *([f"and {more} more: bench studies lists them"] if more > 0 else [])]


def others_of(plan: StudyPlan) -> dict[str, list[str]]:
    """Return the names of other studies of the same file and variant, each with the keys that differ."""
    mine = plan.describe()
    neutral = {name: neutral_of(field) for name, field in knobs_of(plan.base.variant).items()}
    identity = _identity(mine.file, mine.search, mine.config, mine.data_hash, mine.experiment)
    begin = f"{plan.title}-{plan.variant}"
    found = {}
    for folder in folders():
        if folder.name == plan.name or folder.name.rpartition("-")[0] != begin:
            continue
        try:
            other = stated(folder)
        except WorkError:
            # named by the commands that list studies
            continue
        theirs = _identity(other.file, other.search, other.config, other.data_hash, other.experiment)
        keys = dict.fromkeys([*identity, *theirs])
        # a study from before there was a knob is as one with a neutral value of the knob
        found[folder.name] = [
            key
            for key in keys
            if identity.get(key) != theirs.get(key)
            and not (key in neutral and {identity.get(key), theirs.get(key)} <= {None, *neutral[key]})
        ]
    return found


def _identity(
    file: Mapping[str, object],
    search: Mapping[str, str],
    config: Mapping[str, object],
    data_hash: str,
    experiment: str,
) -> dict[str, object]:
    """Return what makes a study another one, by key."""
    parts: dict[str, object] = {"objectives": file.get("objectives"), "seeds": file.get("seeds")}
    for section in ("sampler", "pruner"):
        content = file.get(section)
        if isinstance(content, Mapping):
            parts |= {f"{section}.{key}": value for key, value in content.items()}
    parts |= {f"search.{name}": text for name, text in search.items()}
    parts |= {name: value for name, value in config.items() if name not in EXECUTION_SETTINGS}
    return parts | {"the images": data_hash, "experiment": experiment}
