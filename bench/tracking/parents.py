"""What the tracking store is told of the run above several ones: a multirun's, a study's."""

from collections.abc import Mapping, Sequence
from typing import Any


def of_multirun(description: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
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
        "command": list(command),
    }


def of_study(description: Mapping[str, Any]) -> dict[str, Any]:
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
