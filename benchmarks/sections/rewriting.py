"""The common trainer / plain rewritings of the steps of public programs (plain.py).

Every side trains in a separate process, since the harness configures its process (deterministic operations,
memory) and public programs do not.
"""

from typing import Any

from children import ChildSide
from configurations import published, quick
from interleaved import Comparison, compare
from plain import PLAIN as REWRITTEN
from tables import markdown, with_notes, with_quartiles

from bench.configuration import variant_named
from bench.system.errors import WorkError
from sections import Request, log, measure_each

TITLE = "Step rate: common trainer over plain re-writings of public programs' steps"
PAIRS = 7
OURS, ALTERNATING, COMPILED = "trainer", "trainer, alternating", "trainer, compiled"
# alternating; for a variant without a choice of update order, its only form
PLAIN, NO_LOADER = "plain", "plain without loader"
TOGETHER, TOGETHER_NO_LOADER = "plain, simultaneous", "plain, simultaneous, without loader"
# the published batch size for the ResNet-18 BEGAN, and BEGAN's 16 for the others
BATCH_SIZES = {"began-resnet18": 64}


def configurations(names: tuple[str, ...], threads: int) -> dict[str, dict[str, Any]]:
    """Return the two configurations of each variant by their names in the table."""
    chosen = {}
    for name in names:
        plain = {"reevaluate": False} if name == "began-cs" else {}
        chosen[f"{name}, quick"] = quick(name, threads, **plain)
        size = BATCH_SIZES.get(name, 16)
        chosen[f"{name}, published layers"] = published(name, threads, 32, 32, size)
    return chosen


def sides_of(given: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the kind and the configuration of each side."""
    sides = {}
    if "update" in variant_named(given["variant"]).Hyperparameters.model_fields:
        together = given | {"update": "simultaneous"}
        given = given | {"update": "alternating"}
        sides[TOGETHER] = ("plain", together)
        sides[TOGETHER_NO_LOADER] = ("plain without loader", together)
        # the fast form that the harness offers, beside the published one
        sides[OURS] = ("trainer", together)
        sides[ALTERNATING] = ("trainer", given)
    else:
        sides[OURS] = ("trainer", given)
    sides[PLAIN], sides[NO_LOADER] = ("plain", given), ("plain without loader", given)
    sides[COMPILED] = ("trainer", sides[OURS][1] | {"compile": "default"})
    return sides


def measure_one(given: dict[str, Any], request: Request) -> dict[str, Any]:
    """Start a process per side and time them in turns."""
    sides = {name: ChildSide(kind, its) for name, (kind, its) in sides_of(given).items()}
    missing: dict[str, str] = {}
    try:
        for name, side in sides.items():
            try:
                side.start()
            except WorkError as error:
                if name != COMPILED:
                    raise
                missing[name] = str(error)
                log(f"    {name}: {error}")
        able = {name: side for name, side in sides.items() if name not in missing}
        comparison = compare(able, request.steps, request.pairs or PAIRS)
    finally:
        for side in sides.values():
            side.close()
    return comparison.describe() | {"configuration": given, "missing": missing}


def measure(request: Request) -> dict[str, Any]:
    """Measure the quick preset and the published layers of each variant that has a plain rewriting."""
    chosen = configurations(request.variants or tuple(REWRITTEN), request.threads)
    return measure_each(list(chosen), lambda name: measure_one(chosen[name], request))


COLUMNS = {
    "both simultaneous": (TOGETHER, OURS),
    "simultaneous, no loader": (TOGETHER_NO_LOADER, OURS),
    "both alternating": (PLAIN, ALTERNATING),
    "alternating, no loader": (NO_LOADER, ALTERNATING),
    "simultaneous / plain alternating": (PLAIN, OURS),
    "compiled / eager": (OURS, COMPILED),
}
# for a variant without a choice of update order
ONE_FORM = {"both alternating": (PLAIN, OURS), "alternating, no loader": (NO_LOADER, OURS)}


def rates(row: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    """Return the ratio of step rates, second side / first side, of each column; None if not timed."""
    comparison = Comparison(row["steps_per_block"], row["block_seconds"])
    columns = COLUMNS
    if ALTERNATING not in comparison.seconds:
        columns = COLUMNS | {"simultaneous / plain alternating": ("", "")} | ONE_FORM
    timed = comparison.seconds.keys()
    return {title: comparison.ratio(*pair) if timed >= set(pair) else None for title, pair in columns.items()}


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per configuration; ratios within one update order come first."""
    measured = {name: row for name, row in result.items() if "error" not in row}
    rows = [
        [name, *(with_quartiles(ratio, 2) for ratio in rates(row).values())] for name, row in measured.items()
    ]
    rounds = {len(next(iter(row["block_seconds"].values()))) for row in measured.values()}
    notes = [
        "the trainer's step rate over the plain re-writing's: median and quartiles of "
        f"{' or '.join(map(str, sorted(rounds)))} rounds"
    ]
    for name, row in measured.items():
        notes += [f"{name}: {side}: not measured: {why[:160]}" for side, why in row["missing"].items()]
    return with_notes(markdown(["configuration", *COLUMNS], rows), notes, result)
