"""Names of metrics in MLflow, whose pages have a section for each group; records have the bare names."""

TRAIN = "train"
EVAL = "eval"
BEST = "best"


def of_step(name: str) -> str:
    """Return the name of a scalar of training steps, such as ``train/k``."""
    return f"{TRAIN}/{name}"


def of_evaluation(name: str) -> str:
    """Return the name of a metric of evaluations, such as ``eval/fid``."""
    return f"{EVAL}/{name}"


def of_best(name: str) -> str:
    """Return the name of a best value: ``fid_best`` is ``best/fid``, ``fid_best_step`` ``best/fid_step``."""
    for end, short in (("_best", ""), ("_best_step", "_step")):
        if name.endswith(end):
            return f"{BEST}/{name.removesuffix(end)}{short}"
    return f"{BEST}/{name}"
