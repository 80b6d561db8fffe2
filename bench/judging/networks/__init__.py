"""The project's own small networks, whose features stand in for Inception's where it is too slow or missing.

Each was trained by a script of `tools/`; its weights lie in `bench/judging/weights`.
"""

from bench.judging.networks.digits_garments import DigitsGarmentsNetwork
from bench.judging.networks.feature_network import FeatureNetwork
from bench.judging.networks.objects import ObjectsNetwork

__all__ = ["DigitsGarmentsNetwork", "FeatureNetwork", "ObjectsNetwork"]
