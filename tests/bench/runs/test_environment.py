"""Facts about machine and command."""

import sys

import pytest

from bench.runs import environment


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("postgresql://me:secret@host:5432/studies", "postgresql://host:5432/studies"),
        ("--storage=postgresql+psycopg://me:s:e/c@host/d", "--storage=postgresql+psycopg://host/d"),
        ("postgresql://me@host/studies", "postgresql://host/studies"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("folder:/a/b", "folder:/a/b"),
    ],
)
def test_a_recorded_command_holds_no_password(word: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "study", word])
    assert environment.command() == ["study", shown]
