"""Tables about runs, from frames made by hand and the files that they name."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from bench.comparing.numbers import MISSING
from bench.reporting.tables import environments, of_cost, of_environments, of_health, of_runs

RUN: dict[str, Any] = {
    "run_id": "a" * 32,
    "name": "a run",
    "group": "began",
    "variant": "began",
    "seed": 0,
    "status": "FINISHED",
    "health": "ok",
    "alarms": "",
    "created": "2026-01-01",
    "step": 500,
    "steps": 500,
    "fd_x": 1.0,
    "train_seconds": 60.0,
}


def frame(*differences: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([RUN | difference for difference in differences])


def test_alarms_have_a_column_where_a_run_has_any() -> None:
    quiet = of_runs(frame({}), ["fd_x"], [])
    assert "alarms" not in quiet.header
    alarmed = of_runs(frame({}, {"seed": 1, "alarms": "k-drop@123 loss-rising@400"}), ["fd_x"], [])
    place = alarmed.header.index("alarms")
    assert alarmed.header[place - 1] == "health"
    assert [row[place] for row in alarmed.rows] == [MISSING, "k-drop@123 loss-rising@400"]
    assert all(len(row) == len(alarmed.header) for row in alarmed.rows)


def test_alarms_alone_do_not_make_a_run_unwell() -> None:
    assert of_health(frame({"alarms": "k-drop@123"})) is None


def test_the_meaning_of_a_collapse_has_the_run_s_own_numbers(
    bench_home: Path, small: SimpleNamespace
) -> None:
    folder = bench_home / "mlruns" / "runs" / str(RUN["run_id"])
    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = [{"step": step, "M": 0.1} for step in range(1, 501)]
    rows.insert(250, {"event": "evaluation", "step": 250, "effective_classes": 9.0})
    rows.append({"event": "evaluation", "step": 500, "effective_classes": 2.0})
    (folder / "record.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    collapsed = frame({"health": "collapsed@500", "step": 250})
    small.describe_in(folder, real={"effective_classes": 9.75})
    table = of_health(collapsed)
    assert table is not None
    assert table.rows[0][-1].endswith("in the last: effective classes 2 (real 9.75).")
    small.describe_in(folder)
    table = of_health(collapsed)
    assert table is not None
    assert "the rule of this version" in table.rows[0][-1]


def test_every_network_has_a_column_of_its_parameters() -> None:
    two = {"parameters_generator": 1000, "parameters_discriminator": 20}
    three = {
        "group": "ali",
        "parameters_generator": 1000,
        "parameters_discriminator": 7,
        "parameters_encoder": 5,
    }
    table = of_cost(frame(two, two | {"seed": 1, "parameters_generator": 3000}, three))
    assert table.header[:4] == ("group", "generator", "discriminator", "encoder")
    assert [row[:4] for row in table.rows] == [
        ("ali", "1,000", "7", "5"),
        ("began", "1,000 or 3,000", "20", MISSING),
    ]
    assert of_cost(frame(two)).header[:3] == ("group", "generator", "discriminator")


def test_environments_that_differ_are_counted_whatever_their_values(
    tmp_path: Path, small: SimpleNamespace
) -> None:
    """A processor may have a name that ends like a count of runs."""
    described = []
    for place, threads in enumerate((1, 2, 2)):
        (tmp_path / str(place)).mkdir()
        run = small.describe_in(tmp_path / str(place)).describe()
        machine = run.environment.model_copy(update={"threads": threads, "processor": "a processor (8 runs)"})
        described.append(run.model_copy(update={"environment": machine}))
    counts = environments(described)
    assert [fact for fact, values in counts.items() if len(values) > 1] == ["threads"]
    rows = dict(of_environments(counts).rows)
    assert (rows["processor"], rows["threads"]) == ("a processor (8 runs)", "1 (1 run), 2 (2 runs)")
