"""The metrics, each in a file of its own, registered by decorator and imported below.

Each is computed from :class:`bench.judging.metric_inputs.MetricInputs`: statistics and features of generated
and real samples, never a model. Tables import these modules for names and directions alone.
"""

# isort: off
from bench.judging.metrics import (  # noqa: F401  (each registers its metrics, in the order of the tables)
    frechet,
    frechet_counts,
    kernel_distance,
    classes,
    inception_score,
    modes,
    labels,
    precision_recall,
    density_coverage,
    clipped_density_coverage,
    authenticity,
    data_copying,
    different_bins,
    vendi,
    renyi_entropy,
    sliced_wasserstein,
    duplicates,
    spacing,
    structural_similarity,
)

# isort: on
from bench.judging.metrics.registry import Metric, all_metrics, better_direction, is_metric, metrics_for

__all__ = ["Metric", "all_metrics", "better_direction", "is_metric", "metrics_for"]
