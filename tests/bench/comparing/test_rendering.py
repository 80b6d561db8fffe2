"""Tables in every format, read back by somebody else's reader."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from bench.comparing.defaults import FORMATS
from bench.comparing.rendering import Tables, TextTable, plain, render
from bench.comparing.result_tables import of_sections, of_summary, wide
from bench.comparing.sections import Section
from bench.comparing.statistics import coverage
from bench.comparing.summary import Summary, summarise

Runs = Callable[..., pd.DataFrame]

HOSTILE = r"a_b & 50% $x$ #1 {~^\} <b>|*c*` [d]"


@pytest.fixture
def summary(runs: Runs) -> Summary:
    frame = runs(
        *({"seed": seed, "fd_x": value} for seed, value in enumerate([4.123456, 3.5, 4.75, 3.9, 4.4])),
        *({"variant": "v3", "seed": seed, "fd_x": v} for seed, v in enumerate([3.1, 2.987654, 2.8, 2.9])),
        {"variant": "v3", "seed": 4, "fd_x": 90.0, "health": "collapsed@50"},
        {"variant": "v3", "seed": 5, "status": "FAILED", "health": "diverged@7", "fd_x": None},
    )
    return summarise(frame, frame, ["fd_x", "classes_covered"], "began")


def hostile() -> Tables:
    table = TextTable(HOSTILE, (HOSTILE, "n"), ((HOSTILE, "-0.5"), ("[first] \u4e2d", "-")))
    return Tables((table,), pd.DataFrame({HOSTILE: [HOSTILE]}), (HOSTILE,))


def laid_out(kind: str, summary: Summary) -> Tables:
    """The tables of one data set, of two in sections, and of two side by side."""
    sections = [Section("mnist-5k", summary), Section("ring_8", summary)]
    return {"one": of_summary, "sections": lambda _: of_sections(sections), "wide": lambda _: wide(sections)}[
        kind
    ](summary)


LAYOUTS = ("one", "sections", "wide")


class Cells(HTMLParser):
    """The text of each cell, and every tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells and self.tags[-1] in ("td", "th"):
            self.cells[-1] += data


def test_a_table_for_people_is_rounded_and_its_header_names_the_uncertainties(summary: Summary) -> None:
    first, second = of_summary(summary).texts
    assert first.caption == "fd_x (lower is better), last evaluation"
    assert second.caption == "classes_covered (higher is better), last evaluation"
    assert first.header == (
        "group",
        "runs",
        "collapsed\n[exact]",
        "mean",
        "IQM\n[95% bootstrap]",
        "difference to\nbegan [95% bootstrap]",
        "P(better than\nbegan) [95% bootstrap]",
    )
    began, v3 = first.rows
    assert began[:4] == ("began", "5", "0 of 5 [0.00, 0.52]", "4.13")
    assert re.fullmatch(r"4\.14 \[3\.\d\d, 4\.\d\d\]", began[4])
    assert began[5:] == ("-", "-")
    assert v3[:3] == ("v3", "5 + 1 diverged", "1 of 6 [0.00, 0.64]")
    # the mean has the collapsed run, which the interquartile mean leaves out
    assert float(v3[3]) == pytest.approx((3.1 + 2.987654 + 2.8 + 2.9 + 90) / 5, abs=0.1)
    assert re.fullmatch(r"3\.\d* \[\d\.\d*, \d+\.\d*\]", v3[4])
    # four of its runs are better than all five, the collapsed and the diverged one worse: 20 of 30 pairs
    assert re.fullmatch(r"0\.67 \[0\.\d\d, 1\.00\]", v3[6])


def few(runs: Runs, counts: dict[str, int]) -> Summary:
    values = [4.0, 3.5, 4.75, 3.9, 4.4, 4.2]
    frame = runs(
        *(
            {"variant": name, "seed": seed, "fd_x": values[seed] + place}
            for place, (name, count) in enumerate(counts.items())
            for seed in range(count)
        )
    )
    return summarise(frame, frame, ["fd_x"], next(iter(counts)) if len(counts) > 1 else None)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_below_five_runs_nothing_is_called_an_interval_of_95(count: int, runs: Runs) -> None:
    tables = of_summary(few(runs, {"began": count, "v3": count}))
    (table,) = tables.texts
    assert table.header[4:] == ("IQM\n(range)", "difference to\nbegan (range)", "P(better than\nbegan)")
    lowest = "3.50" if count < 5 else ""
    assert re.fullmatch(rf"[34]\.\d+ \({lowest[:3]}\d* to 4\.\d+\)", table.rows[0][4])
    assert re.fullmatch(r"\+1\.?\d*( \(\+1\.?\d* to \+1\.?\d*\))?", table.rows[1][5])
    for form in ("md", "html", "latex", "csv", "json"):
        text = str(render(tables, form))
        assert "95%" not in text
        assert r"95\%" not in text
    assert "the range of the runs, which is no confidence interval" in str(render(tables, "md"))
    assert (
        tables.frame[["iqm_low", "difference_low", "improvement_low", "iqm_coverage"]].isna().all(axis=None)
    )


def test_each_group_has_the_uncertainty_that_its_number_of_runs_allows(runs: Runs) -> None:
    tables = of_summary(few(runs, {"began": 5, "v3": 3}))
    (table,) = tables.texts
    assert table.header[4:6] == ("IQM\n[95% bootstrap] or (range)", "difference to\nbegan (range)")
    assert "[" in table.rows[0][4]
    assert "(" in table.rows[1][4]


@pytest.mark.parametrize("count", [5, 6])
def test_notes_and_columns_state_the_coverage_of_the_intervals(count: int, runs: Runs) -> None:
    tables = of_summary(few(runs, {"began": count, "v3": count}))
    (note,) = [note for note in tables.notes if note.startswith("Brackets")]
    for kind, name in (("iqm", "IQM"), ("difference", "difference"), ("improvement", "P(better)")):
        low, high = coverage(kind, count) or (0, 0)
        covers = f"{low:.2f} to {high:.2f}" if low < high else f"{low:.2f}"
        assert f"{name} {covers} at n = {count}" in note
        assert list(tables.frame[f"{kind}_coverage"].dropna()) == [low] * (2 if kind == "iqm" else 1)
    assert "percentile bootstrap" in note
    assert any("leaves out the int(n / 4) lowest" in note for note in tables.notes)
    assert any("Clopper-Pearson" in note for note in tables.notes)


def test_without_a_baseline_there_are_no_comparisons(runs: Runs) -> None:
    frame = runs({})
    (table,) = of_summary(summarise(frame, frame, ["fd_x"])).texts
    assert table.header == ("group", "runs", "collapsed\n[exact]", "mean", "IQM")
    assert table.rows == (("began", "1", "0 of 1 [0.00, 0.97]", "1", "1"),)


def test_a_selected_step_shows_the_last_one_too(runs: Runs) -> None:
    selected, last = runs({"select": "best-fid", "fd_x": 2.5}), runs({"fd_x": 3.25})
    (table,) = of_summary(summarise(selected, last, ["fd_x"])).texts
    assert table.caption == "fd_x (lower is better), step selected by best-fid"
    assert table.header[3:] == ("mean", "IQM", "mean\nat the end", "IQM at the end")
    assert table.rows == (("began", "1", "0 of 1 [0.00, 0.97]", "2.50", "2.50", "3.25", "3.25"),)


def test_markdown_is_a_table_that_lines_up(summary: Summary) -> None:
    text = str(render(of_summary(summary), "md"))
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 2
    for block in blocks:
        assert len({len(line) for line in block}) == 1
        assert set(block[1]) <= set("|-: ")
    assert "difference to began [95% bootstrap] |" in blocks[0][0]
    for note in of_summary(summary).notes:
        assert f"- {note}" in text


def test_markdown_escapes_markup() -> None:
    text = str(render(hostile(), "md"))
    assert r"\<b>\|\*c\*\`" in text
    assert "a_b" in text  # no emphasis within a word


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_programs_get_whole_numbers(form: str, layout: str, summary: Summary, tmp_path: Path) -> None:
    tables = laid_out(layout, summary)
    content = render(tables, form)
    if form == "csv":
        back = pd.read_csv(io.StringIO(str(content)))
    elif form == "parquet":
        assert isinstance(content, bytes)
        back = pd.read_parquet(io.BytesIO(content))
        assert back.attrs["notes"] == list(tables.notes)
    else:
        read = json.loads(content)
        back = pd.DataFrame(read["rows"])
        assert read["notes"] == list(tables.notes)
        assert read == plain(tables)
    expected = pd.concat([summary.table] * (1 if layout == "one" else 2), ignore_index=True)
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, check_exact=True)


def test_json_is_strict(summary: Summary) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads(render(of_summary(summary), "json"), parse_constant=refuse)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_html_holds_the_same_cells_escaped(layout: str, summary: Summary) -> None:
    tables = laid_out(layout, summary)
    page = str(render(tables, "html"))
    expected = [
        cell
        for table in tables.texts
        for line in ([label for label, _ in table.spans], table.header, *table.rows)
        for cell in line
    ]
    assert [cell.strip().replace("\u2212", "-") for cell in Cells(page).cells] == expected
    wild = Cells(str(render(hostile(), "html")))
    assert "b" not in wild.tags
    assert wild.cells[0].strip() == HOSTILE


def test_html_styles_only_its_own() -> None:
    style = re.findall(r"<style>(.*?)</style>", str(render(hostile(), "html")), re.DOTALL)[0]
    selectors = [part.strip() for rule in re.findall(r"([^{}]+){", style) for part in rule.split(",")]
    assert selectors
    assert all(selector.startswith(".bench-tables") for selector in selectors)


def test_sections_have_headings_and_captions_that_name_them(summary: Summary) -> None:
    tables = laid_out("sections", summary)
    markdown = str(render(tables, "md"))
    assert re.findall(r"^## (.*)$", markdown, re.MULTILINE) == ["mnist-5k", "ring_8"]
    assert re.findall("<h3>(.*)</h3>", str(render(tables, "html"))) == ["mnist-5k", "ring_8"]
    captions = re.findall(r"\\caption\{(.*)\.\}", str(render(tables, "latex")))
    assert captions[2] == r"ring\_8: fd\_x (lower is better), last evaluation"
    assert len(captions) == 4


def test_labels_above_a_header_span_their_columns(summary: Summary) -> None:
    tables = laid_out("wide", summary)
    (table,) = tables.texts
    assert sum(count for _, count in table.spans) == len(table.header) == len(table.rows[0])
    assert str(render(tables, "html")).count('colspan="4"') == 4
    latex = str(render(tables, "latex"))
    assert r"\multicolumn{4}{c}{mnist-5k: fd\_x}" in latex
    assert r"\cmidrule(lr){2-5}" in latex
    header = next(line for line in str(render(tables, "md")).splitlines() if line.startswith("| group"))
    assert [cell.strip() for cell in header.split("|")[2:4]] == ["mnist-5k: fd_x: mean", "IQM [95%]"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("kind", [*LAYOUTS, "hostile"])
def test_latex_compiles(kind: str, summary: Summary, tmp_path: Path) -> None:
    body = render(hostile() if kind == "hostile" else laid_out(kind, summary), "latex")
    assert isinstance(body, str)
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "t.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "t.pdf").stat().st_size > 1000


def test_latex_has_one_booktabs_table_a_metric(summary: Summary) -> None:
    text = str(render(of_summary(summary), "latex"))
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\caption{"):
        assert text.count(rule) == 2
    assert r"classes\_covered" in text
    assert "$-$1." in text
    assert r"\shortstack[r]{difference to\\began [95\% bootstrap]}" in text


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_ends_as_files_do_and_is_the_same_twice(
    form: str, layout: str, summary: Summary
) -> None:
    content = render(laid_out(layout, summary), form)
    assert content == render(laid_out(layout, summary), form)
    if form != "parquet":
        assert str(content).endswith("\n")
