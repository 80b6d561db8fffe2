"""began-bench: train, judge and compare boundary-equilibrium GANs.

From Python: :func:`run`, :func:`run_many`, :func:`study`, :func:`results`, :func:`read_run`, :func:`load`,
:func:`judge` and :func:`check_variant`.
"""

from typing import TYPE_CHECKING, Any

from bench.system.version import __version__

if TYPE_CHECKING:
    from bench.api import check_variant, judge, load, read_run, results, run, run_many, study

__all__ = ["__version__", "check_variant", "judge", "load", "read_run", "results", "run", "run_many", "study"]


def __getattr__(name: str) -> Any:
    # torch and pandas take seconds to import: only for those who use them
    if name in __all__:
        from bench import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
