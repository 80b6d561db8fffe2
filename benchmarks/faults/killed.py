"""Processes killed with SIGKILL at random moments."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from faults import Request, Tally, first_problem
from faults.comparison import differs, not_in_store
from faults.processes import (
    Process,
    environment,
    only_run,
    recorded_steps,
    run,
    run_words,
    undisturbed,
    wait_until,
)

KILLS = 32
KILLS_OF_A_RUN = 8
TRACKER_KILLS = 5
STEPS = 2000
LATEST_SECONDS = 8.0  # from the start of a process to its kill: start-up, training, evaluation, checkpoints
WORDS = run_words("began-v3", steps=STEPS, eval_every=200, checkpoint_every=5)


def drill(request: Request) -> Iterator[Tally]:
    """Kill training processes, alone and with their tracking process, and tracking processes alone."""
    whole = undisturbed(request, WORDS)
    moments = random.Random(request.seed)
    training = Tally(
        "`kill -9` of the training process at a random moment",
        "resumed; at the end all numbers and weights as of a run never killed, each point once in MLflow",
    )
    power = Tally("`kill -9` of training and tracking process together", training.expected)
    number = 0
    # a quick run ends before KILLS_OF_A_RUN kills
    while training.tried + power.tried < request.trials(KILLS):
        _kill_one_run(request, request.folder / f"killed-{number}", whole, moments, training, power)
        number += 1
    yield training
    yield power
    yield _tracking(request, whole, moments)


def _kill_one_run(
    request: Request, home: Path, whole: Path, moments: random.Random, training: Tally, power: Tally
) -> None:
    env = environment(request, home)
    kills: list[Tally] = []
    words = WORDS
    while len(kills) < KILLS_OF_A_RUN:
        process = Process(words, env, home / "logs")
        time.sleep(moments.uniform(0, LATEST_SECONDS))
        if process.ended():
            break
        tally = power if moments.random() < 0.5 else training
        process.kill(whole_tree=tally is power)
        kills.append(tally)
        # a process that was killed before its run existed leaves nothing to resume
        begun = list(home.glob("mlruns/runs/*/run.json"))
        words = ["run", "--resume", "last"] if begun else WORDS
    ended = run(words, env, home / "logs")
    store = f"sqlite:///{home / 'mlruns' / 'mlflow.db'}"
    if ended.status:
        problem: str | None = f"resuming ended with status {ended.status}: {ended.err[-200:]}"
    else:
        problem = first_problem([differs(only_run(home), whole), not_in_store(only_run(home), store)])
    for tally in kills:
        tally.add(problem)


def _tracking(request: Request, whole: Path, moments: random.Random) -> Tally:
    tally = Tally(
        "`kill -9` of the tracking process during training",
        "training unharmed; every point once in MLflow, where need be after `bench track`",
    )
    for number in range(request.trials(TRACKER_KILLS)):
        home = request.folder / f"untracked-{number}"
        env = environment(request, home)
        process = Process(WORDS, env, home / "logs")
        reached = moments.randrange(1, STEPS // 2)
        wait_until(lambda: process.ended() or recorded_steps(home) >= reached, "a recorded step")  # noqa: B023
        for child in process.tracking_processes():
            child.send_signal(signal.SIGKILL)
        ended = process.wait()
        again = run(["track", "last"], env, home / "logs")
        store = f"sqlite:///{home / 'mlruns' / 'mlflow.db'}"
        tally.add(
            first_problem(
                [
                    f"training ended with status {ended.status}" if ended.status else None,
                    f"bench track ended with status {again.status}: {again.err[-200:]}"
                    if again.status
                    else None,
                ]
            )
            or first_problem([differs(only_run(home), whole), not_in_store(only_run(home), store)])
        )
    return tally
