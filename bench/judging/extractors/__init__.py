"""Extractors: what maps samples to the features, classes or modes that metrics compare.

Those of images are registered by decorator, and the knob `extractor` names one. Data with known modes have
extractors of their own.
"""

from bench.judging.extractors.choice import (
    availability,
    caution,
    extractor_for,
    missing_network,
    names_by_metric,
    require_extractor,
    shortfall,
    unfamiliar,
)
from bench.judging.extractors.registry import Availability, ImageExtractor
from bench.judging.protocol import Extractor

__all__ = [
    "Availability",
    "Extractor",
    "ImageExtractor",
    "availability",
    "caution",
    "extractor_for",
    "missing_network",
    "names_by_metric",
    "require_extractor",
    "shortfall",
    "unfamiliar",
]
