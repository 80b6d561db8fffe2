"""The columns of a table of runs, and the role of each.

The role follows from the name: a column is in one of the tuples below, a judged metric, the group, or a knob.
"""

import pandas as pd

from bench.configuration import EXECUTION_SETTINGS
from bench.judging.metrics import is_metric

IDENTITY = (
    "run_id",
    "name",
    "variant",
    "dataset",
    "preset",
    "seed",
    "experiment",
    "study",
    "trial",
    "status",
    "health",
    "alarms",
    "created",
    "commit",
    "config_hash",
    "data_hash",
    "metric",
    "protocol",
    "health_rules",
    "select",
    "step",
)
# training's own numbers at the selected step
CONVERGENCE = ("M", "k", "M_best")
COST = ("parameters_generator", "parameters_discriminator", "train_seconds", "processor")
GROUP = "group"
_NO_KNOBS = {*IDENTITY, *CONVERGENCE, *COST, GROUP}


def metric_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the judged metrics."""
    return [name for name in frame.columns if is_metric(name)]


def comparable_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the numbers that can be compared: every judged metric, and M where a run has it."""
    return metric_columns(frame) + (["M"] if frame["M"].notna().any() else [])


def knob_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the knobs that decide what a run computes, the seed and execution settings left aside."""
    return [
        name
        for name in frame.columns
        if not (name in _NO_KNOBS or name in EXECUTION_SETTINGS or is_metric(name))
    ]
