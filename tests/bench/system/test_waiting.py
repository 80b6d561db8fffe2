"""Words on a terminal that are gone once there is something to report."""

import io
import sys

import pytest

from bench.system.waiting import ERASE, waiting


class Screen(io.StringIO):
    """A standard error that may be a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "quiet", "expected"),
    [(True, False, f"loading\r{ERASE}"), (True, True, ""), (False, False, "")],
)
def test_words_are_shown_on_a_terminal_alone_and_then_erased(
    is_terminal: bool, quiet: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(is_terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    with waiting("loading", quiet):
        assert screen.getvalue() == expected.removesuffix(ERASE)
    assert screen.getvalue() == expected


def test_words_are_erased_before_an_error_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(True)
    monkeypatch.setattr(sys, "stderr", screen)
    with pytest.raises(KeyError), waiting("loading"):
        raise KeyError
    assert screen.getvalue().endswith(ERASE)
