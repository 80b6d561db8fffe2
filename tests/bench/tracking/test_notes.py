"""Descriptions of runs on MLflow's pages: the verdict and the command, and words of a person stay."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.runs.record import End
from bench.tracking import notes
from bench.tracking.opening import open_store
from bench.tracking.store_choice import current_store

COMMAND = ["run", "--json", "--variant", "began", "--set", "a b=1", "--parent", "5" * 32]
TYPED = "bench run --variant began --set 'a b=1'"
BEST = {"fd_best": 1.5, "fd_best_step": 1200}


@pytest.mark.parametrize(
    ("end", "verdict", "next_command"),
    [
        (End(step=2000, status="FINISHED", health="ok", best=BEST), "**ok** after 2,000 steps", "verify"),
        (
            End(step=8, status="FAILED", health="diverged@8", best={}),
            "**diverged@8** after 8 steps",
            "verify",
        ),
        (
            End(step=50, status="KILLED", health="ok", best=BEST),
            "**stopped**, ok so far after 50 steps",
            "run --resume",
        ),
        (None, "**stopped**", "run --resume"),
    ],
)
def test_verdict_command_and_what_to_do_next(
    end: End | None, verdict: str, next_command: str, small: SimpleNamespace, tmp_path: Path
) -> None:
    run = small.describe_in(tmp_path / ("3fa94c" + "0" * 26), command=COMMAND)
    last = {"fd": 2.25} if end and end.best else {}
    first, block, about = notes.of_run(run.describe(), end, last).split("\n\n")
    measured = "; fd 2.25 at the last evaluation, best 1.5 at step 1,200" if last else ""
    assert first == verdict + measured
    assert block.splitlines() == ["```sh", TYPED, f"bench {next_command} 3fa94c", "```"]
    assert "5,000 samples" in about
    assert "Judged by p." in about


def test_a_run_in_training_says_so(small: SimpleNamespace, tmp_path: Path) -> None:
    run = small.describe_in(tmp_path / "a", command=["-m", "a_program_of_mine"])
    text = notes.of_run(run.describe(), None, {}, in_training=True)
    assert text.startswith("**in training**\n\n")
    # a run that Python made has no command line
    assert "bench" not in text.partition("Judged")[0]


def test_a_long_table_is_cut_where_a_line_ends() -> None:
    table = "\n".join(f"| row {number} |" for number in range(2000))
    text = notes.of_parent(COMMAND, table)
    assert len(text) <= notes.LONGEST
    assert "|\n\nThe rest: `table.md` among the artifacts." in text
    assert TYPED in text


def test_a_description_of_a_person_is_kept(bench_home: Path) -> None:
    client: Any = open_store(current_store(), bench_home / "mlruns").client
    run_id = client.create_run("0").info.run_id

    def shown() -> str:
        return str(client.get_run(run_id).data.tags["mlflow.note.content"])

    for text in ("**in training**", "**ok**"):
        notes.send(client, run_id, text)
        assert shown() == text
    client.set_tag(run_id, "mlflow.note.content", "the one for the talk")
    notes.send(client, run_id, "**ok** again")
    assert shown() == "the one for the talk"
    # a description that was emptied is written again
    client.set_tag(run_id, "mlflow.note.content", "")
    notes.send(client, run_id, "**ok** again")
    assert shown() == "**ok** again"
