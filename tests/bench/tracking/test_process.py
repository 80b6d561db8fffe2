"""The training process's side of tracking."""

from pathlib import Path

from bench.tracking.process import TrackingProcess


def test_a_process_without_requests_ends_by_itself_and_leaves_no_files(bench_home: Path) -> None:
    tracker = TrackingProcess()
    assert tracker.close() is None
    assert tracker._process.poll() is None  # it still imports
    assert tracker._process.wait(timeout=60) == 0
    assert not bench_home.exists()
