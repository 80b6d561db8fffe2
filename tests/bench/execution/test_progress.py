"""Progress of a run: a bar on a terminal, lines in a log."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from bench.execution import progress, session
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
    line = r"step 8 of 9: M [\d.]+, k [\d.]+, \d+ samples/s, about \d+ s of training left"
    assert any(re.fullmatch(line, each) for each in text.splitlines())
    # an evaluation: before it, and one line with what matters most
    lines = text.splitlines()
    for step in (4, 8, 9):
        place = lines.index(f"step {step}: judging 100 samples")
        metrics = [part.split()[0] for part in lines[place + 1].partition(": ")[2].split(", ")]
        assert metrics[:3] == ["fd_digits_garments", "classes_covered", "coverage"]
        assert len(metrics) > 3
        assert len(lines[place + 1]) <= 110
    assert "drawing figures" not in lines


def test_a_terminal_gets_a_bar(small: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(True, small, monkeypatch)
    assert "\rtraining 9/9 |" in text
    assert "\rjudging 100 samples 9/9 |" in text
    assert "step 9: judging" not in text
    assert f"{session.LOADING}\r" in text
    assert "samples/s, about" not in text
