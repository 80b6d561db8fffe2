"""Check of the disk space before a run is created."""

from bench.configuration import Configuration
from bench.system import paths
from bench.system.errors import WorkError
from bench.system.os_errors import format_size, free_space
from variants.base import Variant, parameter_count

FLOAT = 4  # bytes


def check_room(configuration: Configuration, variant: Variant) -> None:
    """Check that the disk has space for two checkpoints, since a new one is written beside the old one.

    Parameters
    ----------
    configuration : Configuration
        The run's.
    variant : Variant
        Its networks.

    Raises
    ------
    WorkError
        If they have not; says what they need and what there is.
    """
    # weights and Adam's two moments
    networks = variant.networks().values()
    scalars = 3 * sum(parameter_count(network.module) for network in networks)
    if configuration.harness.ema_decay:
        scalars += sum(parameter_count(network.module) for network in networks if network.averaged)
    need, free = 2 * FLOAT * scalars, free_space(paths.runs())
    if free is not None and free < need:
        raise WorkError(
            f"{paths.results()} has {format_size(free)} free, and the run's checkpoints need at least "
            f"{format_size(need)}: make room, or name another folder by BENCH_HOME"
        )
