"""A step of the common trainer, with and without tracking / a step of a bare loop, and two bare loops.

Two equal loops in one process differ by up to 3%, as their tensors lie in memory. Each variant is therefore
timed in several fresh processes, and the ratio of two bare loops stands beside the trainer's.
"""

import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from configurations import quick
from interleaved import Comparison, compare, spread
from loops import BareLoop, ThroughTrainer, TrackedTrainer, quiet_setup, temporary_home
from tables import markdown, with_notes, with_quartiles

from sections import Request, measure_each

TITLE = "Overhead: time of a step, common trainer / bare loop"
PROCESSES = 8
PAIRS = 12  # rounds in each process
COMPARED = ("trainer", "tracked", "second bare")


@dataclass(frozen=True)
class InOneProcess:
    """Times of one process.

    Attributes
    ----------
    comparison : Comparison
        Times of the sides.
    same_weights : tuple of (bool or None)
        Of trainer and tracked trainer, whether their state equals the bare loop's, bit for bit; None if a
        learning rate was changed.
    """

    comparison: Comparison
    same_weights: tuple[bool | None, bool | None]


def same_weights(trainer: ThroughTrainer, bare: BareLoop) -> bool | None:
    """Return whether both sides have the same state, bit for bit; None if a learning rate was changed."""
    for name, network in trainer.variant.networks().items():
        start = getattr(trainer.trainer.hyperparameters, network.learning_rate)
        if trainer.trainer.optimizers[name].param_groups[0]["lr"] != start:
            return None
    weights, others = trainer.variant.state_dict(), bare.variant.state_dict()
    return all(torch.equal(weights[name], others[name]) for name in weights)


def time_in_this_process(name: str, request: Request) -> InOneProcess:
    """Time the trainers and the bare loops; all start from the same weights and have the same draws."""
    torch.set_num_threads(request.threads)
    given = quick(name, request.threads)
    with temporary_home(), tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        trainer = ThroughTrainer(quiet_setup(given), Path(folder))
        tracked = TrackedTrainer(quiet_setup(given | {"tracking": True}))
        try:
            bare, second = BareLoop(quiet_setup(given)), BareLoop(quiet_setup(given))
            sides = {"bare": bare, "trainer": trainer, "tracked": tracked, "second bare": second}
            comparison = compare(sides, request.steps, request.pairs or PAIRS)
        finally:
            tracked.close()
            trainer.close()
    return InOneProcess(comparison, (same_weights(trainer, bare), same_weights(tracked, bare)))


def describe(processes: Sequence[InOneProcess]) -> dict[str, Any]:
    """Return the ratio of each side to the bare loop: over all rounds, and each process's median."""
    comparisons = [process.comparison for process in processes]
    row: dict[str, Any] = {"processes": [comparison.describe() for comparison in comparisons]}
    row["same_weights"] = [all_same(each) for each in zip(*(p.same_weights for p in processes), strict=True)]
    for side in COMPARED:
        ratios = [comparison.ratio(side, "bare") for comparison in comparisons]
        row[side] = spread([value for ratio in ratios for value in ratio["values"]])
        row[side]["medians"] = [ratio["median"] for ratio in ratios]
    return row


def all_same(found: Sequence[bool | None]) -> bool | None:
    """Return whether the weights were the same in all processes; None if that is not known of one."""
    return None if None in found else all(found)


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Time a variant in PROCESSES fresh processes, one after another."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        return describe(list(pool.map(time_in_this_process, [name] * PROCESSES, [request] * PROCESSES)))


def measure(request: Request) -> dict[str, Any]:
    """Measure the quick preset of each variant."""
    return measure_each(list(request.all_variants()), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant."""
    header = ["variant", "trainer / bare", "with tracking / bare", "bare / bare", "trainer, by process"]
    header += ["bare / bare, by process", "bare ms", "same weights"]
    words = {True: "yes", False: "no", None: "-"}
    rows = []
    for name, row in result.items():
        if "error" in row:
            continue
        ratios = [with_quartiles(row[side]) for side in COMPARED]
        ranges = [f"{min(m):.3f} to {max(m):.3f}" for m in (row[s]["medians"] for s in COMPARED[::2])]
        milliseconds = f"{median(each['step_ms']['bare'] for each in row['processes']):.2f}"
        same = ", ".join(words[each] for each in row["same_weights"])
        rows.append([name, *ratios, *ranges, milliseconds, same])
    return with_notes(markdown(header, rows), [], result)
