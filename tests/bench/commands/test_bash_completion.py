"""Completion of words that bash splits at ``=``."""

import pytest

from bench.cli import cli
from bench.commands.bash_completion import SplittingBash, joined


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("run --set gam", "run|--set|gam"),
        ("run --set update =", "run|--set|update="),
        ("run --set update = al", "run|--set|update=al"),
        ("run --set update = x --set norm =", "run|--set|update=x|--set|norm="),
        ("run --seed = 3", "run|--seed|3"),
        ("run --preset =", "run|--preset|="),
        ("run --set a = ", "run|--set|a=|"),
    ],
)
def test_words_that_bash_split_are_joined(words: str, whole: str) -> None:
    assert joined(words.split(" ")) == whole.split("|")


def test_bash_gets_what_follows_the_last_sign_of_equality(monkeypatch: pytest.MonkeyPatch) -> None:
    bash = SplittingBash(cli, {}, "bench", "_BENCH_COMPLETE")
    for words, offered in [
        ("bench run --set update =", ["plain,simultaneous", "plain,alternating"]),
        ("bench run --set update = al", ["plain,alternating"]),
        ("bench study smoke --set gamma = 0.5 --set stop_o", ["plain,stop_on="]),
        ("bench run --preset = qu", ["plain,quick"]),
    ]:
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        assert bash.complete().splitlines() == offered
    assert "compopt -o nospace" in bash.source()
