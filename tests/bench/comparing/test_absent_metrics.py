"""A metric that no run has is refused with the reason, and with what would give it."""

from collections.abc import Callable

import pandas as pd
import pytest

from bench.comparing.absent_metrics import absent_metric

Runs = Callable[..., pd.DataFrame]

JUDGED = [{"protocol": "digits-garments@77aa; 100 samples", "metric": "fd_digits_garments"}]


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (
            "fid",
            (
                "no run has fid, which needs the extractor inception",
                "the runs were judged by digits-garments (fd_digits_garments)",
                "bench eval RUN --metrics fid",
                "--set extractor=inception",
            ),
        ),
        (
            "modes_covered",
            ("needs data with known modes", "judged by digits-garments", "tables compare fd_x"),
        ),
        ("class_agreement", ("needs a conditional variant",)),
        ("rke", ("no run has rke, which is measured on request only: `bench eval RUN --metrics rke`",)),
        ("fid_infinity", ("measured on request only: `bench eval RUN --metrics fid_infinity`",)),
        ("k", ("k is a scalar of training that selects no checkpoints", "bench plot draws the others")),
        ("fd_y", ("unknown metric 'fd_y'", "did you mean 'fd_x'?")),
    ],
)
def test_the_refusal_says_why_and_what_would_give_it(metric: str, words: tuple[str, ...], runs: Runs) -> None:
    message = str(absent_metric(metric, runs(*JUDGED), ["fd_x", "M"]))
    assert "\n" not in message
    for word in words:
        assert word in message
