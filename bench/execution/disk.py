"""Check of the disk space before a run is created."""

from bench.configuration import Configuration
from bench.system import paths
from bench.system.errors import WorkError
from bench.system.os_errors import format_size, free_space
from bench.training.step import moments_of
from variants.base import Variant, parameter_count

FLOAT = 4  # bytes


def checkpoint_size(configuration: Configuration, variant: Variant) -> int:
    """Return the bytes of the weights, optimizers' moments and moving averages in a checkpoint."""
    numbers = 0
    for name, network in variant.networks().items():
        weights = parameter_count(network.module)
        trained = sum(parameter.numel() for parameter in variant.trainable_parameters(name))
        numbers += weights + trained * moments_of(network, configuration.hyperparameters)
        numbers += weights if network.averaged and configuration.harness.ema_decay else 0
    return FLOAT * numbers


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
    need, free = 2 * checkpoint_size(configuration, variant), free_space(paths.runs())
    if free is not None and free < need:
        raise WorkError(
            f"{paths.results()} has {format_size(free)} free, and the run's checkpoints need at least "
            f"{format_size(need)}: make room, or name another folder by BENCH_HOME"
        )
