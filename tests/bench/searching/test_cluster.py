"""Workers as jobs: submitit's own executor for one host stands for a cluster."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.searching import trials

pytest.importorskip("submitit", reason="submitit is missing: install 'began-bench[cluster]'")


@pytest.mark.slow
def test_jobs_stop_with_their_command_and_resume_with_it(
    host: Callable[..., Any], check_over: Callable[..., None]
) -> None:
    here = host("--cluster", "local", "--workers", "2", trials=4, steps=120)
    command = here.start()
    here.wait_until_training(runs=2)
    assert len(here.processes("bench.searching.worker")) == 2
    here.interrupt(command)
    stopped = [trial for trial in here.trials() if trial.user_attrs.get(trials.REASON) == trials.STOPPED]
    assert stopped
    assert not [trial for trial in here.trials() if trial.state.name == "RUNNING"]

    here.run()
    known = here.trials()
    check_over(known, budget=4)
    assert sum(trial.state.name == "COMPLETE" for trial in known) == 4
    here.check_trained(120)
    assert len(here.records()) == 4
    assert len(list((here.folder / "jobs").glob("*_submitted.pkl"))) == 4
