"""Form of the pages: short lines, links that lead somewhere, names of code that exist."""

import re
import tomllib
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 110
PAGES = sorted(
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md", "mlruns/README.md", "tools/*.md")
    for page in ROOT.glob(pattern)
)
URL = re.compile(r"https?://\S+")
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
# a dotted name in code: in backticks, in a block of code, or in a directive of the API reference
DOTTED = re.compile(r"\b(?:bench|variants|studies)(?:\.(?!md\b)[A-Za-z_]\w*)+")
PATH = re.compile(r"(?<![\w./-])(?:\.ci|bench|variants|studies|tests|tools|benchmarks|docs)/[\w./-]*\w")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_lines_have_110_characters_at_most(page):
    lines = [URL.sub("", line) for line in text_of(page).splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > LONGEST] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_exist(page):
    for match in LINK.finditer(text_of(page)):
        target = match[1] or match[2]
        if URL.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_their_names_exist(page):
    for name in DOTTED.findall(text_of(page)):
        resolve_name(name)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    for name in PATH.findall(text_of(page)):
        # NAME and SECTION stand for any
        assert "NAME" in name or "SECTION" in name or (ROOT / name).exists(), name


def test_the_map_has_the_rooms_in_the_order_in_which_imports_go_down():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    drawn = re.findall(r"^    \|     (\w+)  ", text_of("CONTRIBUTING.md"), re.MULTILINE)
    assert [f"bench.{room}" for room in drawn] == layers
