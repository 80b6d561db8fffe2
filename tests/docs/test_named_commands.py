"""Commands, options and keys in the sentences of the pages exist; the blocks run in test_snippets.py."""

import re
import shlex
from pathlib import Path

import pytest

from bench.cli import COMMANDS, cli
from bench.configuration import Harness
from variants.registry import all_variants

ROOT = Path(__file__).parents[2]
PAGES = [
    page.relative_to(ROOT)
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/README.md")
]
SPAN = re.compile(r"`(bench [^`]+)`")


def read(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_and_options_in_sentences_exist(page):
    for span in SPAN.findall(read(page).replace("\n", " ")):
        name, *words = shlex.split(span.replace("[", " ").replace("]", " "))[1:]
        if name.startswith("--") or not name.islower():
            continue
        assert name in COMMANDS, span
        options = {option for each in cli.get_command(None, name).params for option in each.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, span


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_keys_in_sentences_exist(page):
    known = {*Harness.model_fields, "variant", "preset", "KEY"}
    for variant in all_variants().values():
        known |= set(variant.Hyperparameters.model_fields)
    assert set(re.findall(r"--set\s(\w+)=", read(page))) <= known
