"""A step of the common trainer, with and without tracking / a step of a bare loop."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from configurations import quick
from interleaved import compare
from loops import BareLoop, ThroughTrainer, TrackedTrainer, quiet_setup, temporary_home
from tables import markdown, with_notes, with_quartiles

from sections import Request, measure_each

TITLE = "Overhead: time of a step, common trainer / bare loop"
PAIRS = 15


def same_weights(trainer: ThroughTrainer, bare: BareLoop) -> bool | None:
    """Return whether both sides have the same state, bit for bit; None if a learning rate was changed."""
    for name, network in trainer.variant.networks().items():
        start = getattr(trainer.trainer.hyperparameters, network.learning_rate)
        if trainer.trainer.optimizers[name].param_groups[0]["lr"] != start:
            return None
    weights, others = trainer.variant.state_dict(), bare.variant.state_dict()
    return all(torch.equal(weights[name], others[name]) for name in weights)


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Time the trainers and the bare loop; all start from the same weights and have the same draws."""
    given = quick(name, request.threads)
    with temporary_home(), tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        trainer = ThroughTrainer(quiet_setup(given), Path(folder))
        tracked = TrackedTrainer(quiet_setup(given | {"tracking": True}))
        try:
            bare = BareLoop(quiet_setup(given))
            sides = {"bare": bare, "trainer": trainer, "tracked": tracked}
            comparison = compare(sides, request.steps, request.pairs or PAIRS)
        finally:
            tracked.close()
            trainer.close()
    return comparison.describe() | {
        "trainer": comparison.ratio("trainer", "bare"),
        "tracked": comparison.ratio("tracked", "bare"),
        "same_weights": [same_weights(each, bare) for each in (trainer, tracked)],
    }


def measure(request: Request) -> dict[str, Any]:
    """Measure the quick preset of each variant."""
    return measure_each(list(request.all_variants()), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant."""
    header = ["variant", "trainer / bare", "with tracking / bare", "bare ms", "trainer ms", "tracked ms"]
    header += ["steps a block", "same weights"]
    rows = []
    for name, row in result.items():
        if "error" in row:
            continue
        words = {True: "yes", False: "no", None: "-"}
        times = [f"{row['step_ms'][side]:.2f}" for side in ("bare", "trainer", "tracked")]
        same = ", ".join(words[each] for each in row["same_weights"])
        ratios = [with_quartiles(row["trainer"]), with_quartiles(row["tracked"])]
        rows.append([name, *ratios, *times, str(row["steps_per_block"]), same])
    return with_notes(markdown(header, rows), [], result)
