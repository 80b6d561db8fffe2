"""What the tracking store is told of the run above several ones: a multirun's, a study's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ParentSummary:
    """What the run above several ones shows when they have ended.

    Attributes
    ----------
    runs : list of str
        Ids of the runs right below it; a study's trials are shown already.
    metrics : dict
        Aggregate values by name.
    step : int
        How many runs, or trials, they are made of.
    files : list of str
        Names of files and folders that become artifacts.
    status : str
        FINISHED, FAILED or KILLED.
    """

    runs: list[str]
    metrics: dict[str, float]
    step: int
    files: list[str]
    status: str


def multirun_parent(description: Mapping[str, Any]) -> dict[str, Any]:
    """The run above those of a multirun (described as in multirun.json)."""
    members = description["members"]
    variants = dict.fromkeys(member["variant"] for member in members)
    seeds = dict.fromkeys(str(member["seed"]) for member in members)
    return {
        "experiment": description["experiment"],
        "name": description["name"],
        "identity": ["multirun.hash", description["hash"]],
        "tags": {"data.hash": description["data_hash"]},
        "params": description["config"] | {"variant": ", ".join(variants), "seed": ", ".join(seeds)},
        "command": list(description["command"]),
    }


def study_parent(description: Mapping[str, Any]) -> dict[str, Any]:
    """The run above a study's trials.

    Parameters
    ----------
    description : mapping
        ``name``, ``experiment``, ``hash``, ``data_hash``, ``config`` (what all trials share, flat),
        ``search`` (name to range in words), ``objectives`` (in words), ``command`` (words).
    """
    search = {f"search.{name}": words for name, words in description["search"].items()}
    objectives = {f"objective.{index}": words for index, words in enumerate(description["objectives"])}
    return {
        "experiment": description["experiment"],
        "name": description["name"],
        "identity": ["study.hash", description["hash"]],
        "tags": {"optuna.study": description["name"], "data.hash": description["data_hash"]},
        "params": dict(description["config"]) | search | objectives,
        "command": list(description["command"]),
    }
