"""The metrics, each in a file of its own, registered by decorator and imported below.

A metric sees a :class:`bench.judging.comparison.Comparison` of what an extractor saw of generated and of real
samples, never a model. None of these modules imports torch at its top: tables need the directions only.
"""

# isort: off
from bench.judging.metrics import (  # noqa: F401  (each registers its metrics, in the order of the tables)
    frechet,
    kernel_distance,
    classes,
    inception_score,
    modes,
    precision_recall,
    density_coverage,
    vendi,
    duplicates,
    structural_similarity,
)

# isort: on
from bench.judging.metrics.registry import Metric, all_metrics, better_direction, metrics_for

__all__ = ["Metric", "all_metrics", "better_direction", "metrics_for"]
