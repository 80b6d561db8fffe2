"""The training process's side of tracking."""

from pathlib import Path

from bench.tracking.process import TrackingProcess


def test_one_that_was_asked_nothing_is_not_waited_for_and_ends_without_a_trace(bench_home: Path) -> None:
    tracker = TrackingProcess()
    assert tracker.close() is None
    assert tracker._process.poll() is None  # it still imports
    assert tracker._process.wait(timeout=60) == 0
    assert not bench_home.exists()
