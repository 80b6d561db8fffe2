"""The script that measures what an extractor costs."""

from __future__ import annotations

from click.testing import CliRunner
from extractor_cost import main


def test_it_prints_a_row_for_an_extractor() -> None:
    found = CliRunner().invoke(main, ["--images", "2", "--extractor", "shipped"], catch_exceptions=False)
    header, _, row, *_ = found.stdout.splitlines()
    assert [cell.strip() for cell in header.split("|")[1:3]] == ["extractor", "features"]
    assert [cell.strip() for cell in row.split("|")[1:3]] == ["`digits-garments`", "64"]
    assert row.endswith(" ms |")
