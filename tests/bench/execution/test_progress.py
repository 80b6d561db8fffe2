"""Progress of a run: a bar on a terminal, lines in a log."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from bench.execution import progress
from bench.execution.progress import Progress
from bench.execution.session import start


class Screen(io.StringIO):
    """A standard error that may be a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def shown(is_terminal: bool, small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a run of nine steps prints."""
    screen = Screen(is_terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    start(small.tiny("began"), Progress())
    return screen.getvalue()


def test_a_log_gets_lines_and_no_carriage_returns(
    small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    text = shown(False, small, monkeypatch)
    assert "\r" not in text
    line = r"step 8 of 9: M [\d.]+, k [\d.]+, \d+ samples/s, about \d+ s left"
    assert any(re.fullmatch(line, each) for each in text.splitlines())


def test_a_terminal_gets_a_bar(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(True, small, monkeypatch)
    assert "\rtraining 9/9 |" in text
    assert "samples/s, about" not in text
