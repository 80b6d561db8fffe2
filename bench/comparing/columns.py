"""The columns of a table of runs, and the role of each.

The role follows from the name and from what the runs declare, never from a column's place:

- identity and cost: the tuples below, and ``parameters_NAME``, the number of parameters of a network;
- a judged metric: the names in the column ``metrics``, which holds what each run's description says of the
  metrics that it measured (:mod:`bench.comparing.measured`);
- a scalar of training: the names in the column ``scalars``, which holds what each run's variant declares of
  its scalars (:mod:`bench.comparing.scalars`). A scalar that selects checkpoints has two columns, ``NAME``
  (mean over the last steps up to the selected one, :mod:`bench.comparing.smoothing`) and ``NAME_best`` (best
  mean between two checkpoints of the run); one with a panel of its own has the column ``NAME`` (value at the
  selected step);
- the group;
- a knob: every other name that a run has a value of.
"""

import pandas as pd

from bench.comparing.measured import METRICS, metrics_of_runs
from bench.comparing.scalars import BEST, SCALARS, all_of, columns_of, selecting
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
    "stopped_on",
    "alarms",
    "created",
    "commit",
    "config_hash",
    "data_hash",
    "metric",
    "protocol",
    "health_rules",
    SCALARS,
    METRICS,
    "select",
    "step",
)
# those of text and numbers that a condition compares
SELECTABLE = frozenset(IDENTITY) - {"health_rules", SCALARS, METRICS, "select"}
# the column of all networks' parameters; that of one network ends in its name
PARAMETERS = "parameters"
COST = (PARAMETERS, "train_seconds", "processor")
GROUP = "group"
_FIXED = frozenset({*IDENTITY, *COST, GROUP})


def parameters_of(network: str) -> str:
    """Name of the column of a network's number of parameters."""
    return f"{PARAMETERS}_{network}"


def network_columns(frame: pd.DataFrame) -> dict[str, str]:
    """Columns of the networks' numbers of parameters, by the network's name."""
    prefix = parameters_of("")
    return {name.removeprefix(prefix): name for name in frame.columns if name.startswith(prefix)}


def is_reserved(name: str) -> bool:
    """Whether a name has a role that neither a metric, a scalar nor a knob can have."""
    return name in _FIXED or name.startswith(parameters_of(""))


def metric_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the judged metrics."""
    known = metrics_of_runs(frame)
    return [name for name in frame.columns if (name in known if METRICS in frame else is_metric(name))]


def scalar_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the columns of the scalars that the runs declare."""
    return [name for name in columns_of(all_of(frame)) if name in frame]


def comparable_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the numbers that can be compared.

    These are every judged metric, and of the scalars that select checkpoints the recent and the best mean, as
    far as a run has them.
    """
    names = list(selecting(all_of(frame)))
    means = [name for name in [*names, *(name + BEST for name in names)] if name in frame]
    return metric_columns(frame) + [name for name in means if frame[name].notna().any()]


def knob_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the knobs that decide what a run computes, the seed and execution settings left aside.

    A column without any value is none: it is a knob or a scalar of runs that the frame no longer has.
    """
    others = {*scalar_columns(frame), *metric_columns(frame), *EXECUTION_SETTINGS}
    return [
        name
        for name in frame.columns
        if not (is_reserved(name) or name in others) and frame[name].notna().any()
    ]
