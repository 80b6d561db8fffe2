"""Passwords and tokens in store addresses, searched for in all files and output afterwards."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from faults import Request, Tally, first_problem
from faults.processes import Process, environment, run_words

SECRET = "s3cr3tw0rd"
ADDRESSES = (
    f"http://alice:{SECRET}@127.0.0.1:9",
    f"http://alice:p@{SECRET}@127.0.0.1:9",
    f"http://{SECRET}@127.0.0.1:9",
    f"http://127.0.0.1:9/?password={SECRET}",
    f"http://127.0.0.1:9/?token={SECRET}",
    f"postgresql://alice:{SECRET}@127.0.0.1:9/mlflow",
    f"postgresql://127.0.0.1:9/mlflow?user=alice&password={SECRET}",
)


def drill(request: Request) -> Iterator[Tally]:
    """Run commands with secrets in addresses."""
    tally = Tally(
        "password or token in a store's address",
        "in no file, output, error message or process list",
    )
    for number, address in enumerate(ADDRESSES[: request.trials(len(ADDRESSES))]):
        home = request.folder / f"secret-{number}"
        env = environment(request, home, MLFLOW_TRACKING_URI=address)
        for words in (
            run_words("began", steps=3),
            ["doctor"],
            ["doctor", "--json"],
            ["study", "smoke", "--storage", address, "--trials", "1"],
            *([["ui", "--port", "5999"]] if "postgresql" in address else []),
        ):
            tally.add(_shown(words, env, home))
        # untracked: the address must not reach run.json by way of the environment
        tally.add(_shown(run_words("began", steps=3, tracking="false"), env, home))
    yield tally


def _shown(words: list[str], env: dict[str, str], home: Path) -> str | None:
    process = Process(words, env, home / "logs")
    listed: list[str] = []
    watcher = threading.Thread(target=_watch, args=(process, words, listed))
    watcher.start()
    ended = process.wait()
    watcher.join()
    files = [path for path in home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    return first_problem(
        [
            f"{words[0]}: in the output" if SECRET in ended.out else None,
            f"{words[0]}: in an error message: {ended.err[-200:]}" if SECRET in ended.err else None,
            f"{words[0]}: in {files[0].name}" if files else None,
            f"{words[0]}: in the process list: {listed[0]}" if listed else None,
        ]
    )


def _watch(process: Process, words: list[str], listed: list[str]) -> None:
    """Look at the command lines of its children until it ends; its own holds the words that we typed."""
    while not process.ended():
        for child in process.tracking_processes():
            try:
                line = " ".join(child.cmdline())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if SECRET in line:
                listed.append(f"{words[0]}: {line[:80]}")
        process.pause()
