"""Preset values that variants share."""

from variants.knobs import Preset

# For runs on points in the plane: one thread is enough for a batch of points.
POINTS: Preset = {
    "dataset": "ring-8",
    "image_size": None,
    "threads": 1,
    "layers": "points",
    "eval_samples": 2500,
}

# For runs on stacked digits: counting 1,000 modes takes many samples.
STACKED: Preset = {
    "dataset": "stacked-mnist",
    "image_size": 32,
    "steps": 2000,
    "eval_every": 1000,
    "eval_samples": 26_000,
}
