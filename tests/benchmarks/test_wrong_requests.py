"""Every wrong request of the drills ends in one short line and leaves nothing behind."""

from pathlib import Path

import pytest
from faults.wrong_requests import wrong_requests

from bench.cli import main

REQUESTS = wrong_requests()
KINDS = sorted({request.name.partition(":")[0] for request in REQUESTS})


def test_there_are_many_requests_and_no_two_are_equal() -> None:
    assert len(REQUESTS) >= 240
    assert len({request.name for request in REQUESTS}) == len(REQUESTS)
    assert wrong_requests() == REQUESTS


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_request_is_one_short_line_and_leaves_nothing_behind(
    kind: str, bench_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for request in REQUESTS:
        if request.name.partition(":")[0] != kind:
            continue
        capsys.readouterr()
        status = main(request.in_folder(tmp_path))
        captured = capsys.readouterr()
        assert status == request.status, request.name
        assert captured.err.startswith("bench: "), request.name
        assert captured.err.endswith("\n"), request.name
        assert captured.err.count("\n") == 1, request.name
        assert len(captured.err) <= 300, request.name
        assert captured.out == "", request.name
        assert not bench_home.exists(), request.name
