"""The common trainer over plain re-writings of how public programs take a step (plain.py).

Every side trains in a process of its own, since the harness prepares its process (deterministic operations,
memory) and a public program does not.
"""

from typing import Any

from children import ChildSide
from configurations import published, quick
from interleaved import compare
from tables import markdown, with_notes, with_quartiles

from bench.configuration import variant_named
from bench.errors import WorkError
from sections import Request, for_each, say

TITLE = "Step rate: common trainer over plain re-writings of public programs' steps"
PAIRS = 7
OURS, PLAIN, NO_LOADER = "trainer", "plain", "plain without loader"
ALTERNATING, COMPILED = "trainer, alternating", "trainer, compiled"
# The published batch of the ResNet-18 BEGAN is 64; the others' are cut to BEGAN's 16.
BATCH_SIZES = {"began-resnet18": 64}


def configurations(names: tuple[str, ...], threads: int) -> dict[str, dict[str, Any]]:
    """The two configurations of each variant, by what the table calls them."""
    chosen = {}
    for name in names:
        plain = {"remeasure": False} if name == "began-cs" else {}
        chosen[f"{name}, quick"] = quick(name, threads, **plain)
        size = BATCH_SIZES.get(name, 16)
        chosen[f"{name}, published layers"] = published(name, threads, 32, 32, size)
    return chosen


def wanted(given: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """The sides of a configuration: what takes its steps, and the configuration it takes them in."""
    sides = {PLAIN: ("plain", given), NO_LOADER: ("plain without loader", given)}
    if "update" in variant_named(given["variant"]).Hyperparameters.model_fields:
        # the fast form that the harness offers for every such variant, beside the published one
        sides[OURS] = ("trainer", given | {"update": "simultaneous"})
        sides[ALTERNATING] = ("trainer", given | {"update": "alternating"})
    else:
        sides[OURS] = ("trainer", given)
    sides[COMPILED] = ("trainer", sides[OURS][1] | {"compile": "default"})
    return sides


def measure_one(given: dict[str, Any], request: Request) -> dict[str, Any]:
    """Start the sides' processes and let them take turns."""
    sides = {name: ChildSide(kind, its) for name, (kind, its) in wanted(given).items()}
    missing: dict[str, str] = {}
    try:
        for name, side in sides.items():
            try:
                side.start()
            except WorkError as error:
                if name != COMPILED:
                    raise
                missing[name] = str(error)
                say(f"    {name}: {error}")
        able = {name: side for name, side in sides.items() if name not in missing}
        comparison = compare(able, request.steps, request.pairs or PAIRS)
    finally:
        for side in sides.values():
            side.close()
    others = [name for name in able if name not in (PLAIN, NO_LOADER)]
    return comparison.describe() | {
        "configuration": given,
        "missing": missing,
        "faster_than_plain": {name: comparison.ratio(PLAIN, name) for name in others},
        "faster_than_plain_without_loader": {name: comparison.ratio(NO_LOADER, name) for name in others},
        "loader": comparison.ratio(PLAIN, NO_LOADER),
    }


def measure(request: Request) -> dict[str, Any]:
    """Each variant's quick preset and its published layers."""
    chosen = configurations(request.all_variants(), request.threads)
    return for_each(list(chosen), lambda name: measure_one(chosen[name], request))


def table(result: dict[str, Any]) -> str:
    """One row a configuration."""
    header = ["configuration", "trainer / plain", "trainer / plain without loader"]
    header += ["alternating / plain", "compiled / plain", "plain ms", "trainer ms"]
    rows, notes = [], ["trainer: eager, in the simultaneous form where a variant has it"]
    for name, row in result.items():
        if "error" in row:
            continue
        times = [f"{row['step_ms'][side]:.1f}" for side in (PLAIN, OURS)]
        with_loader, without = row["faster_than_plain"], row["faster_than_plain_without_loader"]
        ratios = [with_loader[OURS], without[OURS], with_loader.get(ALTERNATING), with_loader.get(COMPILED)]
        rows.append([name, *(with_quartiles(ratio, 2) for ratio in ratios), *times])
        notes += [f"{name}: {side}: not measured: {why[:160]}" for side, why in row["missing"].items()]
    return with_notes(markdown(header, rows), notes, result)
