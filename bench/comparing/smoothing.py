"""The one window over which tables and figures average scalars of training, so that their numbers agree."""

WINDOWS = 100  # windows in a run


def steps_of_mean(steps: int) -> int:
    """Return the number of steps over which a scalar of a run of so many steps is averaged: a hundredth."""
    return max(1, steps // WINDOWS)
