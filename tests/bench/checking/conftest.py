"""Small variants to check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.checking.subject import POINTS, Subject, small_hyperparameters
from variants.base import Variant


@pytest.fixture
def subject(tmp_path: Path) -> Callable[[type[Variant]], Subject]:
    """Return a function that makes a variant for points ready to be checked."""
    return lambda kind: Subject(kind, small_hyperparameters(kind, {})[0], POINTS[0], tmp_path)
