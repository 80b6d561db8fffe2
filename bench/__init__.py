"""began-bench: train, judge and compare boundary-equilibrium GANs."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("began-bench")
except PackageNotFoundError:
    __version__ = "uninstalled"
