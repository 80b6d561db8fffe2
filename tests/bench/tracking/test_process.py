"""The training process's side of tracking."""

import time
from pathlib import Path

from bench.tracking.process import TrackingProcess


def test_one_that_was_asked_nothing_is_ended_without_its_imports(places: Path) -> None:
    tracker = TrackingProcess()
    time.sleep(0.2)
    assert tracker.finish() is None
    assert tracker._process.returncode == -9
    assert not places.exists()
