"""Markdown tables of measurements, and the line that describes the machine."""

from collections.abc import Container
from typing import Any


def markdown(header: list[str], rows: list[list[str]], left: Container[int] = (0,)) -> str:
    """Return a table with aligned columns; those of `left` are left-aligned, the others right-aligned."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    rule = ["-" * width if n in left else "-" * (width - 1) + ":" for n, width in enumerate(widths)]

    def line(cells: list[str]) -> str:
        pairs = enumerate(zip(cells, widths, strict=True))
        aligned = [cell.ljust(width) if n in left else cell.rjust(width) for n, (cell, width) in pairs]
        return "| " + " | ".join(aligned) + " |"

    return "\n".join([line(header), line(rule), *map(line, rows)])


def with_quartiles(ratio: dict[str, Any] | None, digits: int = 3) -> str:
    """Return median and quartiles, such as ``1.42 (1.40 to 1.45)``; a dash if not measured."""
    if ratio is None:
        return "-"
    low, high = (f"{value:.{digits}f}" for value in ratio["quartiles"])
    return f"{ratio['median']:.{digits}f} ({low} to {high})"


def percent(share: dict[str, Any], digits: int = 0) -> str:
    """Return median and quartiles in percent."""
    low, high = (f"{100 * value:.{digits}f}" for value in share["quartiles"])
    return f"{100 * share['median']:.{digits}f}% ({low} to {high})"


def with_notes(table: str, notes: list[str], entries: dict[str, Any]) -> str:
    """Return a table with notes, and with a line for each failed measurement."""
    lines = notes + [
        f"{name}: not measured: {row['error']}" for name, row in entries.items() if "error" in row
    ]
    return "\n".join([table, *([""] if lines else []), *(f"- {line}" for line in lines)])


def machine_line(machine: dict[str, Any], load: list[float]) -> str:
    """Return in one line the machine, torch's kernels, the commit, and the load before and after."""
    where = f"{machine['processor']} ({machine['cores']} cores, torch's {machine['cpu_capability']} kernels)"
    if machine["gpu"]:
        where = f"{machine['gpu']}, {where}"
    commit, _, changes = machine["commit"].partition("+")
    return (
        f"{where}, threads {machine['threads']}, torch {machine['packages']['torch']}, "
        f"Python {machine['python']}, commit {commit[:12]}{changes and ' with ' + changes}, "
        f"load average {load[0]:.1f} to {load[1]:.1f}"
    )
