"""``bench check-variant``: check a variant against the contract."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.options import settings
from bench.commands.output import Report, reporting

if TYPE_CHECKING:
    from bench.checking import CheckReport, CheckResult


@click.command("check-variant")
@click.argument("name", type=names.Variant)
@settings
@reporting
def command(name: str, settings: dict[str, str]) -> Report:
    """Check a variant against the contract with the harness.

    It may come from another package. The networks are small, the samples random: images and points, as
    the variant declares. --set takes hyperparameters, image_size and channels. Exit status 1: a check
    failed, and its line says why.
    """
    from bench.checking import check
    from bench.configuration import variant_named

    report = check(variant_named(name), settings)
    data = {
        "variant": report.variant,
        "passed": report.passed,
        "checks": [asdict(result) for result in report.results],
    }
    return Report(data, _text(report), status=0 if report.passed else 1)


def _text(report: "CheckReport") -> str:
    """Return one line a check under a line for each kind of samples, and a line with the counts."""
    lines: list[str] = []
    width = max(len(result.name) for result in report.results)
    for samples in dict.fromkeys(result.samples for result in report.results):
        lines.append(f"{report.variant}, {samples}")
        lines += [_line(result, width) for result in report.results if result.samples == samples]
    return "\n".join([*lines, report.summary])


def _line(result: "CheckResult", width: int) -> str:
    text = result.statement if result.outcome == "pass" else result.reason
    return f"  {result.outcome}  {result.name.ljust(width)}  {text}"
