"""Hooks of mkdocs: pages that lie outside docs/ become pages of the site, and links are led to them."""

import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
# page of the repository: page of the site
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/."""
    for source, target in PAGES.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links between files of the repository to links between pages of the site.

    A page's file name as text of a link becomes the page's title. A file that the site lacks, such as a kept
    result, keeps its text and loses its link.
    """
    here = page.file.src_uri
    source = next((name for name, target in PAGES.items() if target == here), f"docs/{here}")

    def rewritten(match: re.Match[str]) -> str:
        mark, text, path, anchor = match[1], match[2], match[3], match[4] or ""
        if not path or "://" in path:
            return match[0]
        linked = (ROOT / source).parent.joinpath(path).resolve().relative_to(ROOT).as_posix()
        if (ROOT / linked).is_dir():
            linked += "/README.md"
        target = PAGES.get(linked, linked.removeprefix("docs/"))
        if files.get_file_from_path(target) is None:
            return text
        if text.endswith(".md"):
            heading = re.search(r"^# (.+)$", (ROOT / linked).read_text(encoding="utf-8"), re.MULTILINE)
            text = heading[1] if heading else text
        upwards = "../" * (len(PurePosixPath(here).parts) - 1)
        return f"{mark}[{text}]({upwards}{target}{anchor})"

    return LINK.sub(rewritten, markdown)
