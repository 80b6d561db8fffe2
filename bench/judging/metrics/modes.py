"""Metrics of known modes: modes covered, evenness, and the share of samples on a mode.

Srivastava et al. 2017 (VEEGAN), section 4.1, and Lin et al. 2018 (PacGAN), section 4.1.
"""

from __future__ import annotations

import numpy as np

from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics.registry import metric

MODES_COVERED = "modes_covered"
HIGH_QUALITY = "high_quality"
REVERSE_KL = "reverse_kl"


@metric(MODES_COVERED, "known modes that at least one sample lies well on", better="higher", needs="modes")
def modes_covered(inputs: MetricInputs) -> float:
    """A whole number from 0 to the number of modes; it grows with the number of samples."""
    return int(np.count_nonzero(inputs.generated_modes.on_mode))


@metric(
    HIGH_QUALITY,
    "share of samples that lie well on a known mode",
    better="higher",
    needs="quality",
    settings="within 3 standard deviations of the nearest mean",
)
def high_quality(inputs: MetricInputs) -> float:
    """From 0 to 1; 0.989 of the points of a two-dimensional Gaussian lie within 3 deviations."""
    modes = inputs.generated_modes
    return float(modes.on_mode.sum() / modes.count)


@metric(
    REVERSE_KL,
    "KL divergence of the samples' modes from the real samples' modes, in nats",
    better="lower",
    needs="modes",
    settings="each sample counts for its nearest mode",
)
def reverse_kl(inputs: MetricInputs) -> float:
    """KL(generated || real) of the shares of modes: 0 where they are equal, log N for one of N equal ones."""
    generated, real = inputs.generated_modes, inputs.real_modes
    present = generated.nearest > 0
    share = generated.nearest[present] / generated.count
    # a mode without real samples would make the divergence infinite, so it counts as having one
    expected = np.maximum(real.nearest[present], 1) / real.count
    return max(0.0, float((share * np.log(share / expected)).sum()))
