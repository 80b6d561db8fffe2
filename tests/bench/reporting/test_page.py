"""The page that a report is: facts, not looks."""

import base64
import html.parser
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from bench.comparing.frame import results
from bench.comparing.numbers import MISSING
from bench.comparing.result_tables import of_summary
from bench.comparing.summary import default_metrics, summarise
from bench.reporting.content import Content, gather
from bench.reporting.page import render

HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "link", "img", "br", "wbr", "hr"}


class Page(html.parser.HTMLParser):
    """Tags, attributes and cells of a document; notices tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.headings: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            return
        self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        if self._open and self._open[-1] in ("h1", "h2", "h3", "h4"):
            self.headings[-1] += data


@pytest.fixture(scope="module")
def content(reported_home: Path, cache_folder: Path) -> Content:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(reported_home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        return gather(title=f"{HOSTILE} & more", baseline="began")


@pytest.fixture(scope="module")
def source(content: Content, reported_home: Path, cache_folder: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_HOME", str(reported_home))
        patch.setenv("BENCH_CACHE", str(cache_folder))
        return render(content)


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_nothing_is_fetched_and_nothing_runs(source: str, page: Page) -> None:
    assert source.startswith("<!DOCTYPE html>")
    for tag, attributes in page.tags:
        assert tag not in ("script", "iframe", "object", "base", "form")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        if tag in ("img", "link"):
            assert (attributes.get("src") or attributes.get("href") or "").startswith("data:")
        if tag == "a":
            assert re.match(r"#|https://arxiv\.org/abs/", attributes["href"] or "")
    assert not re.search(r"url\(|@import", source)


def test_ids_are_unique_and_links_within_lead_somewhere(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids


def test_every_figure_is_in_the_page_and_can_be_read(page: Page, content: Content) -> None:
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    expected = [figure for section in content.sections for figure in section.figures]
    expected += [f for section in content.sections for run in section.of_runs for f in run.figures]
    # one run diverged before it made samples; all others collapsed, being so short
    unwell = [figure for section in content.sections for figure in section.unwell]
    assert unwell
    assert len(images) == len(expected) + len(unwell)
    kinds = set()
    for image in images:
        kind, _, data = (image["src"] or "").partition(";base64,")
        kinds.add(kind)
        content_bytes = base64.b64decode(data)
        if kind == "data:image/png":
            with Image.open(io.BytesIO(content_bytes)) as picture:
                assert [str(side) for side in picture.size] == [image["width"], image["height"]]
        else:
            assert b"<svg" in content_bytes
            assert b"<metadata" not in content_bytes
        assert len(image["alt"] or "") > 20
    assert kinds == {"data:image/png", "data:image/svg+xml"}
    titles = [figure.title for figure in expected]
    for title in ("M and k by step", "Samples as training went on"):
        assert titles.count(title) == len(content.sections)
    for title in ("Real, reconstructed", "Nearest", "Between latents", "Between real"):
        assert sum(t.startswith(title) for t in titles) == 3  # began and began-v3, and began on other data


def test_the_tables_of_results_say_what_bench_table_says(home: Path, page: Page) -> None:
    frame = results(where="image_size == 28")
    tables = of_summary(summarise(frame, frame, default_metrics(frame), "began"))
    for table in tables.texts:
        shown = [["\N{EN DASH}" if cell == MISSING else cell for cell in row] for row in table.rows]
        plain = [
            [[cell.replace("\N{MINUS SIGN}", "-") for cell in row] for row in one[1:]] for one in page.tables
        ]
        assert shown in plain
    for note in tables.notes:
        assert note in page.text


def test_data_sets_have_a_section_each_and_a_baseline_only_where_it_is(page: Page, content: Content) -> None:
    assert [section.heading for section in content.sections] == [
        "mnist-5k, 28 \N{MULTIPLICATION SIGN} 28 pixels",
        "mnist-5k, 32 \N{MULTIPLICATION SIGN} 32 pixels",
    ]
    for section in content.sections:
        assert page.headings.count(section.heading) == 1
    assert [len(section.runs.rows) for section in content.sections] == [4, 1]


def test_unhealthy_runs_are_listed_with_the_meaning_of_their_tags(content: Content) -> None:
    health = content.sections[0].health
    assert health is not None
    rows = {row[0]: row[1:] for row in health.rows}
    tag, meaning = rows[HOSTILE]
    assert tag == "running"
    assert "no end" in meaning
    diverged = [row for row in rows.values() if row[0].startswith("diverged@")]
    assert len(diverged) == 1
    assert "ceased to be finite at step" in diverged[0][1]
    assert any("1 of 4 runs has not come to an end" in line for line in content.sections[0].findings)
    assert any(line.startswith("Diverged runs: 1 of") for line in content.sections[0].findings)


def test_hostile_names_are_text(source: str, page: Page) -> None:
    assert "<script" not in source
    assert page.headings[0] == f"{HOSTILE} & more"
    assert any(HOSTILE in row for table in page.tables for row in table)


def test_no_folder_of_this_machine_is_named(source: str, home: Path) -> None:
    assert "somebody" not in source
    assert str(home) not in source
    assert str(Path.home()) + "/" not in source


def test_commands_are_there(page: Page, home: Path) -> None:
    complete = results()
    for run_id, status in zip(complete["run_id"], complete["status"], strict=True):
        assert (f"bench verify {run_id}" in page.text) == (status != "RUNNING")
    # made from Python: the words of that process are no command
    assert "bench run --variant began-v3 --preset quick --set" in page.text
    assert "made from Python" in page.text


def test_configuration_and_environment_are_shown(page: Page, content: Content) -> None:
    section = content.sections[0]
    assert {row[0]: row[1] for row in section.shared.rows}["steps"] == "9"
    assert section.differing is not None
    assert "lr_g" in [row[0] for row in section.differing.rows]
    assert {"processor", "torch", "commit"} <= {row[0] for row in content.environment.rows}


def test_it_opens_without_an_error(source: str, tmp_path: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no chromium on this machine")
    file = tmp_path / "report.html"
    file.write_text(source, encoding="utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update"]
    words += ["--disable-background-networking", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    words += ["--enable-logging=stderr", "--v=0", "--dump-dom", file.as_uri()]
    done = subprocess.run([chromium, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0
    assert "CONSOLE" not in done.stderr
    assert 'id="repeat"' in done.stdout
