"""Simulate how often the intervals of result tables cover the true value.

``python benchmarks/interval_coverage.py --json FILE`` draws groups of n runs from populations with known true
values, and counts how many intervals cover them. The intervals are computed by the functions of the tables.
There are three populations: normal, log-normal, and one in which one run in ten has collapsed, ten standard
deviations away. Two other methods are compared, with the median widths of their intervals: the bias-corrected
bootstrap (BCa), and the t interval of trimmed means (Tukey and McLaughlin 1963, Yuen 1974). Prints Markdown
tables.
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy import stats
from tables import markdown

from bench.comparing import statistics
from bench.comparing.statistics import Values
from bench.system.atomic_files import write_text

COUNTS = (3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20)
COUNTS_OF_SIDES = (5, 6, 7, 8, 9, 10, 15, 20)  # for the probability of improvement, which compares all pairs
COUNTS_OF_OTHERS = (3, 5, 10, 20)
SHIFT = 1.0  # of the baseline in standard deviations: a run is better in three of four pairs
SHARED = 0.5  # correlation of a pair: share of the variance that the seed explains
COLLAPSED, AWAY = 0.1, 10.0
TRUTH_FROM = 4_000_000  # draws that determine the true values of a population
RESAMPLES = 2000  # instead of the tables' 10,000: the first two digits of a coverage are the same
MAX_AT_ONCE = 20_000_000  # resampled values in memory

Draw = Callable[[np.random.Generator, tuple[int, ...]], Values]


def _normal(z: Values, generator: np.random.Generator) -> Values:
    return z


def _log_normal(z: Values, generator: np.random.Generator) -> Values:
    return np.exp(z)


def _contaminated(z: Values, generator: np.random.Generator) -> Values:
    return z + AWAY * (generator.random(z.shape) < COLLAPSED)


POPULATIONS = {"normal": _normal, "log-normal": _log_normal, "one in ten collapsed": _contaminated}


def pairs(population: str, generator: np.random.Generator, shape: tuple[int, ...]) -> tuple[Values, Values]:
    """Draw the values of a group and of its baseline, paired by seed; those of the baseline are higher."""
    shared = np.sqrt(SHARED) * generator.normal(size=shape)
    own = [shared + np.sqrt(1 - SHARED) * generator.normal(size=shape) for _ in range(2)]
    ours, theirs = (POPULATIONS[population](z, generator) for z in own)
    return ours, theirs + SHIFT


def truth(population: str) -> dict[str, float]:
    """Return the true values by kind of interval."""
    generator = np.random.default_rng(0)
    ours, theirs = (np.sort(side) for side in pairs(population, generator, (TRUTH_FROM,)))
    middle = slice(TRUTH_FROM // 4, 3 * TRUTH_FROM // 4)
    # share of theirs above each of ours, over all pairs rather than pairs of one seed
    above = 1 - np.searchsorted(theirs, ours) / TRUTH_FROM
    return {
        "iqm": float(ours[middle].mean()),
        "difference": float(ours[middle].mean() - theirs[middle].mean()),
        "improvement": float(above.mean()),
    }


def covered(ends: tuple[Values, Values], value: float) -> float:
    """Return the share of intervals that cover a value."""
    return float(np.mean((ends[0] <= value) & (value <= ends[1])))


def in_parts(ends: Callable[..., tuple[Values, Values]], sides: list[Values], each: int) -> Any:
    """Return the intervals of many groups, computed in chunks; `each` is the resampled values per group."""
    at_once = max(1, MAX_AT_ONCE // each)
    parts = [
        ends(*(side[start : start + at_once] for side in sides)) for start in range(0, len(sides[0]), at_once)
    ]
    return np.concatenate([low for low, _ in parts]), np.concatenate([high for _, high in parts])


def of_tables(kind: str, ours: Values, theirs: Values) -> Any:
    """Return the intervals of the tables, one per row of (groups, n)."""
    count = ours.shape[1]

    def of_iqm(x: Values) -> tuple[Values, Values]:
        return statistics.bootstrap((x,), statistics.trimmed, resamples=RESAMPLES)

    def of_difference(x: Values, y: Values) -> tuple[Values, Values]:
        statistic = statistics.difference_of_trimmed
        return statistics.bootstrap((x, y), statistic, paired=True, resamples=RESAMPLES)

    def of_improvement(x: Values, y: Values) -> tuple[Values, Values]:
        # lower values are better
        batch = len(x) * count**2
        return statistics.bootstrap((-x, -y), statistics.share_won, batch=batch, resamples=RESAMPLES)

    if kind == "iqm":
        return in_parts(of_iqm, [ours], RESAMPLES * count)
    return in_parts(
        of_difference if kind == "difference" else of_improvement, [ours, theirs], RESAMPLES * count
    )


def bias_corrected(values: Values) -> Any:
    """Return BCa bootstrap intervals of interquartile means."""

    def ends(part: Values) -> tuple[Values, Values]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about groups whose resamples are all equal
            found = stats.bootstrap(
                (part,),
                statistics.trimmed,
                n_resamples=RESAMPLES,
                method="BCa",
                axis=-1,
                rng=np.random.default_rng(0),
            ).confidence_interval
        return found.low, found.high

    return in_parts(ends, [values], RESAMPLES * values.shape[1])


def of_trimmed_t(values: Values) -> Any:
    """Return t intervals of trimmed means, with the error from the winsorized deviation."""
    count = values.shape[1]
    cut = count // 4
    left = count - 2 * cut
    ordered = np.sort(values, axis=1)
    winsorized = np.clip(ordered, ordered[:, [cut]], ordered[:, [count - cut - 1]])
    error = winsorized.std(axis=1, ddof=1) * np.sqrt((count - 1) / (left * (left - 1)))
    half = stats.t.ppf(0.5 + statistics.CONFIDENCE / 2, left - 1) * error
    centre = statistics.trimmed(values)
    return centre - half, centre + half


def measure(groups: int) -> dict[str, Any]:
    """Return coverage by kind, population and count, and coverage and widths of the other methods."""
    found: dict[str, Any] = {"coverage": {}, "methods": {}}
    for number, population in enumerate(POPULATIONS):
        true = truth(population)
        for count in COUNTS:
            generator = np.random.default_rng([1, number, count])
            ours, theirs = pairs(population, generator, (groups, count))
            # a baseline of independent draws
            _, apart = pairs(population, generator, (groups, count))
            for kind in ("iqm", "difference", "improvement"):
                if kind == "improvement" and count not in COUNTS_OF_SIDES:
                    continue
                ends = of_tables(kind, ours, apart if kind == "improvement" else theirs)
                cells = found["coverage"].setdefault(kind, {}).setdefault(population, {})
                cells[str(count)] = covered(ends, true[kind])
                if kind == "iqm" and count in COUNTS_OF_OTHERS:
                    methods = {
                        statistics.METHOD: ends,
                        "BCa bootstrap": bias_corrected(ours),
                        "t of trimmed means": of_trimmed_t(ours),
                    }
                    for method, (low, high) in methods.items():
                        cells = found["methods"].setdefault(method, {}).setdefault(population, {})
                        width = float(np.median(high - low))
                        cells[str(count)] = [covered((low, high), true["iqm"]), width]
            click.echo(f"{population}, n = {count}", err=True)
    return found


def tables(result: dict[str, Any]) -> str:
    """Return the results as Markdown tables."""
    parts = []
    for kind, populations in result["coverage"].items():
        counts = list(next(iter(populations.values())))
        rows = [[name, *(f"{cells[n]:.2f}" for n in counts)] for name, cells in populations.items()]
        parts.append(markdown([kind, *(f"n = {n}" for n in counts)], rows))
    rows = [
        [method, name, count, f"{share:.2f}", f"{width:.2f}"]
        for method, populations in result["methods"].items()
        for name, cells in populations.items()
        for count, (share, width) in cells.items()
    ]
    parts.append(markdown(["method", "population", "n", "coverage", "median width"], rows, left=(0, 1)))
    return "\n\n".join(parts)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--groups", type=click.IntRange(min=10), default=2000, show_default=True, help="Simulated groups a cell."
)
@click.option(
    "--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here."
)
@click.option(
    "--from", "file", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Print a result."
)
def main(groups: int, out: Path | None, file: Path | None) -> None:
    """Simulate the coverage of the tables' intervals."""
    if file:
        click.echo(tables(json.loads(file.read_text(encoding="utf-8"))))
        return
    if out and not out.parent.is_dir():
        raise click.UsageError(f"--json {str(out)!r}: there is no folder {str(out.parent)!r}")
    result = {
        "command": sys.argv[1:],
        "groups": groups,
        "resamples": RESAMPLES,
        "nominal": statistics.CONFIDENCE,
        **measure(groups),
    }
    if out:
        write_text(out, json.dumps(result, indent=1) + "\n")
    click.echo(tables(result))


if __name__ == "__main__":
    main()
