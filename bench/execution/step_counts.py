"""What a configuration says of training steps: their number, their micro-batches, how they are computed."""

import math

from bench import datasets
from bench.configuration import MOST_STEPS, Harness
from bench.system.errors import RequestError
from bench.system.ranks import Ranks
from bench.training.learning_rate import LearningRateRule
from bench.training.plan import Plan
from bench.training.step import ComputeOptions
from variants.base import Variant


def steps_of_epochs(variant: Variant, real_batches: float) -> int:
    """Return the number of steps, at least 1, that take nearest to a number of real batches."""
    # `low` steps take `taken` batches, which are too few; `high` steps take enough, or are too many anyway
    low, high, taken, enough = 0, MOST_STEPS + 1, 0, math.inf
    per_step, by_rate = float(variant.real_batches(1)), True
    while high - low > 1:
        # counting may take time in proportion to the steps, and a guess by the rate so far is nearly right
        ahead = (real_batches - taken) / per_step if by_rate and per_step else (high - low) / 2
        steps = min(low + max(1, math.ceil(ahead)), high - 1)
        found = variant.real_batches(steps)
        per_step = (found - taken) / (steps - low) or per_step
        if found < real_batches:
            low, taken, by_rate = steps, found, True
        else:
            high, enough, by_rate = steps, found, not by_rate
    return max(1, low if real_batches - taken < enough - real_batches and high <= MOST_STEPS else high)


def micro_batches_of(harness: Harness, variant: Variant, batches: datasets.Batches, ranks: Ranks) -> int:
    """Return the number of micro-batches per step: as configured, else one per rank.

    Raises
    ------
    RequestError
        If the ranks cannot share them, or a batch cannot be split into them.
    """
    micro_batches = harness.micro_batches or ranks.count
    if micro_batches % ranks.count:
        raise RequestError(
            f"micro_batches: {micro_batches} cannot be shared by {ranks.count} ranks: give a multiple of it"
        )
    if micro_batches > 1 and (reason := variant.indivisible()):
        raise RequestError(f"micro_batches: {micro_batches} is not possible: {reason}; allowed is 1")
    for size in batches.sizes:
        if size % micro_batches:
            raise RequestError(
                f"micro_batches: {micro_batches} does not divide a batch of {size}: give a divisor of it"
            )
    return micro_batches


def compute_options_of(harness: Harness, ranks: Ranks) -> ComputeOptions:
    """Return the options of how steps are computed; `harness.micro_batches` is resolved."""
    assert harness.micro_batches is not None
    return ComputeOptions(
        micro_batches=harness.micro_batches,
        ranks=ranks,
        bfloat16=harness.compute_dtype == "bfloat16",
        channels_last=harness.channels_last,
        fused_adam=harness.fused_adam,
        compile=harness.compile,
        activation_checkpointing=harness.activation_checkpointing,
    )


def plan_of(harness: Harness) -> Plan:
    """Return the trainer's plan; `harness.steps` is resolved."""
    assert harness.steps is not None
    return Plan(
        steps=harness.steps,
        seed=harness.seed,
        rule=LearningRateRule(harness.lr_rule, harness.lr_window, harness.lr_floor),
        ema_decay=harness.ema_decay,
        eval_every=harness.eval_every,
        checkpoint_every=harness.checkpoint_every,
    )
