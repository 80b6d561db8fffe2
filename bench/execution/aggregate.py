"""What the runs of a multirun amount to: a table and figures, artifacts of the MLflow run above them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.system.atomic_files import write_text
from bench.system.errors import RequestError


@dataclass(frozen=True)
class Aggregate:
    """The aggregate of several runs.

    Attributes
    ----------
    text : str
        The table, in Markdown.
    data : dict
        The same in plain values.
    files : list of str
        Names of the files and folders that were written.
    """

    text: str
    data: dict[str, Any]
    files: list[str]


def aggregate(run_ids: Sequence[str], folder: Path, baseline: str, notes: Sequence[str] = ()) -> Aggregate:
    """Summarise runs at their last evaluation, and write table and figures.

    Parameters
    ----------
    run_ids : sequence of str
        The runs.
    folder : Path
        Takes ``table.md``, ``table.csv`` and ``figures/``.
    baseline : str
        Name of the variant that the others are compared with.
    notes : sequence of str
        Lines below the table.
    """
    from bench.comparing.comparable import require_comparable
    from bench.comparing.frame import results
    from bench.comparing.groups import with_groups
    from bench.comparing.rendering import plain, render
    from bench.comparing.result_tables import of_summary
    from bench.comparing.summary import default_metrics, summarise
    from bench.figures.of_comparison import draw_comparison

    frame = results(select="last")
    frame = frame[frame["run_id"].isin(run_ids)].reset_index(drop=True)
    if frame.empty:
        return Aggregate("no run is complete", {}, [])
    grouped = with_groups(frame)
    metrics, refused = [], []
    for metric in default_metrics(frame):
        try:
            require_comparable(grouped, [metric])
            metrics.append(metric)
        except RequestError as error:
            refused.append(f"{metric} is left out: {error}")
    baselines = [group for group in grouped["group"].unique() if group.partition(" ")[0] == baseline]
    several = grouped["group"].nunique() > 1
    summary = summarise(frame, frame, metrics, baselines[0] if several and len(baselines) == 1 else None)
    tables = of_summary(summary)
    text = "\n".join([str(render(tables, "md")).rstrip(), *(f"- {line}" for line in [*refused, *notes])])
    write_text(folder / "table.md", text + "\n")
    write_text(folder / "table.csv", str(render(tables, "csv")))
    draw_comparison(frame, folder / "figures")
    return Aggregate(text, plain(tables), ["table.md", "table.csv", "figures"])
