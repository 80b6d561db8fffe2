"""Measure the verdict on samplers of known truth, fit its bounds, and score them on mechanisms left out.

``python benchmarks/calibrate_health.py --cases FILE.jsonl [--data-root DIR] [--faces DIR]`` makes samplers
that are collapsed, memorised or well by construction (made_samplers.py), judges each once, and adds it to
FILE at once: a second call measures what is missing and prints the tables again. The bounds are fitted
without the mechanism that is scored, each in turn. Intervals are those of a bootstrap over mechanisms and
data sets, since degrees and seeds of one mechanism are alike. Prints Markdown tables.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from fitted_rules import Scores, bounds_of, clusters_of, fit, left_out, measured_by, scores, with_bounds
from tables import markdown
from verdict_cases import DATA, FACES, IN_DATA_ROOT, Case, Wanted, append, measured, read

from bench.health.verdict import RULES
from bench.runs.description import HealthSign

SAMPLES, SEEDS = 1000, 2
LEFT_OUT = "mechanism left out"
COMMITTED = "the rules of bench/health/verdict.py"


@click.command(help=__doc__.splitlines()[0])
@click.option("--cases", "path", type=click.Path(path_type=Path), required=True, help="File of JSON lines.")
@click.option(
    "--data-root", type=click.Path(path_type=Path), help="Folder of MNIST, Fashion-MNIST, CIFAR-10."
)
@click.option("--faces", type=click.Path(path_type=Path), help="Folder of UTKFace's files.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(DATA)), help="Measure only this data set; repeatable."
)
@click.option("--samples", default=SAMPLES, show_default=True, help="Samples of each case.")
@click.option("--seeds", default=SEEDS, show_default=True, help="Generators of each mechanism and degree.")
def main(
    path: Path, data_root: Path | None, faces: Path | None, only: tuple[str, ...], samples: int, seeds: int
) -> None:
    torch.set_num_threads(1)
    for name in only or DATA:
        if (name in IN_DATA_ROOT and not data_root) or (name == FACES and not faces):
            print(f"{name}: not measured, its folder is not given", file=sys.stderr)
            continue
        start, count = time.monotonic(), 0
        for case in measured(Wanted(name, samples, seeds, data_root, faces), read(path)):
            append(path, case)
            count += 1
        print(f"{name}: {count} cases measured in {time.monotonic() - start:.0f} s", file=sys.stderr)
    cases = [case for case in read(path) if case.samples == samples]
    if not cases:
        raise click.UsageError(f"{path} has no cases of {samples} samples")
    print("\n\n".join(report(cases)))


def report(cases: Sequence[Case]) -> list[str]:
    """Return headings and tables on collapse and on memorisation."""
    parts = []
    for title, wanted, others, signs in (
        ("Collapse", "collapsed", ("memorised", "well"), RULES.collapse),
        ("Memorisation", "memorised", ("well",), RULES.memorisation),
    ):
        clear = [case for case in cases if case.truth in (wanted, *others)]
        truth = np.array([case.truth == wanted for case in clear])
        found = measured_by(clear, signs)
        by_rules = (found < bounds_of(signs)).any(axis=1)
        by_others = left_out(clear, found, truth, signs)
        fitted = with_bounds(signs, fit(found, truth, clusters_of(clear), signs))
        parts += [
            f"## {title}: {LEFT_OUT}\n\n{by_data(clear, by_others, truth)}",
            f"## {title}: {COMMITTED}\n\n{by_data(clear, by_rules, truth)}",
            f"## {title}: bounds fitted to all cases\n\n{of_bounds(signs, fitted)}",
            f"## {title}: by mechanism\n\n{by_mechanism(clear, by_others, by_rules, truth)}",
            f"## {title}: each sign alone\n\n{by_sign(clear, found, truth, signs)}",
        ]
        unclear = [case for case in cases if case.truth is None]
        flagged = (measured_by(unclear, signs) < bounds_of(signs)).any(axis=1)
        parts.append(f"## {title}: between the clear cases\n\n{of_unclear(unclear, flagged)}")
    return parts


def by_data(cases: Sequence[Case], flagged: np.ndarray, truth: np.ndarray) -> str:
    """Return a table of recall, false alarms and precision of each data set and of all."""
    names = np.array([case.data for case in cases])
    clusters = clusters_of(cases)
    groups = [(name, names == name) for name in dict.fromkeys(names)] + [("all", np.full(len(names), True))]
    rows = [[name, *cells(scores(flagged[own], truth[own], clusters[own]))] for name, own in groups]
    return markdown(["data", "recall", "false alarms", "precision"], rows)


def cells(found: Scores) -> list[str]:
    """Return the cells of a row of scores."""
    return [str(found.recall), str(found.false_alarms), str(found.precision)]


def of_bounds(signs: Sequence[HealthSign], fitted: Sequence[HealthSign]) -> str:
    """Return a table of the bounds in use and of those fitted to all cases."""
    rows = [
        [sign.metric, side(sign), f"{bound(sign):.2f}", f"{bound(other):.3g}"]
        for sign, other in zip(signs, fitted, strict=True)
    ]
    return markdown(["sign", "side", "in use", "fitted"], rows, left=(0, 1))


def side(sign: HealthSign) -> str:
    """Return which side of its bound a sign is, and its guard."""
    what = "part of real, below" if sign.above is None else "more than real, above"
    return f"{what}, where {sign.where} is {sign.where_from:g} of real or more" if sign.where else what


def bound(sign: HealthSign) -> float:
    """Return the bound of a sign."""
    value = sign.below if sign.above is None else sign.above
    assert value is not None
    return value


def by_mechanism(
    cases: Sequence[Case], by_others: np.ndarray, by_rules: np.ndarray, truth: np.ndarray
) -> str:
    """Return a table of how many cases of each mechanism and degree are flagged, and where not rightly."""
    groups: dict[tuple[bool, str, float], list[int]] = {}
    for place, case in enumerate(cases):
        groups.setdefault((not truth[place], case.mechanism, case.degree), []).append(place)
    rows = []
    for (_, mechanism, degree), own in sorted(groups.items()):
        wrong = sorted({cases[place].data for place in own if by_others[place] != truth[place]})
        counts = [f"{int(flags[own].sum())} of {len(own)}" for flags in (by_others, by_rules)]
        label = str(cases[own[0]].truth)
        rows.append([mechanism, f"{degree:g}", label, *counts, ", ".join(wrong) or "-"])
    header = [
        "mechanism",
        "degree",
        "truth",
        "flagged, left out",
        "flagged, by the rules",
        "wrong, left out, on",
    ]
    return markdown(header, rows, left=(0, 2, 5))


def by_sign(cases: Sequence[Case], found: np.ndarray, truth: np.ndarray, signs: Sequence[HealthSign]) -> str:
    """Return a table of the scores of each sign alone, at the bound in use, where the data has it."""
    rows = []
    clusters = clusters_of(cases)
    for place, sign in enumerate(signs):
        own = np.array([sign.metric in case.real for case in cases])
        if own.any():
            flags = found[own, place] < bounds_of(signs)[place]
            rows.append([sign.metric, *cells(scores(flags, truth[own], clusters[own]))])
    return markdown(["sign alone", "recall", "false alarms", "precision"], rows)


def of_unclear(cases: Sequence[Case], flagged: np.ndarray) -> str:
    """Return a table of how many cases in no score are flagged."""
    groups: dict[tuple[str, float], list[bool]] = {}
    for case, flag in zip(cases, flagged.tolist(), strict=True):
        groups.setdefault((case.mechanism, case.degree), []).append(flag)
    rows = [
        [mechanism, f"{degree:g}", f"{sum(flags)} of {len(flags)}"]
        for (mechanism, degree), flags in sorted(groups.items())
    ]
    return markdown(["mechanism", "degree", "flagged"], rows)


if __name__ == "__main__":
    main()
