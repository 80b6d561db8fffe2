"""Studies that several hosts share through PostgreSQL: a real server, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from bench.searching import trials

psycopg = pytest.importorskip("psycopg", reason="psycopg is missing: install 'began-bench[postgresql]'")
pytestmark = pytest.mark.slow

STEPS = 400  # time enough to kill something
GRACE = 3  # seconds


def programs() -> Path | None:
    """Where the server's programs are; Debian keeps them out of the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else None


class Server:
    """A PostgreSQL server of its own below a folder."""

    def __init__(self, folder: Path, bin: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        self.bin = bin
        # the server refuses to be root's
        self.user = "postgres" if os.geteuid() == 0 else None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self.user:
            shutil.chown(folder, self.user)
        self._call("initdb", "-A", "trust", "-U", "bench", "--no-sync", "-D", self.data)

    def _call(self, program: str, *words: object) -> None:
        command = [str(self.bin / program), *map(str, words)]
        done = subprocess.run(command, user=self.user, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -p {self.port} -F"
        words = ("-D", self.data, "-l", self.log, "-o", options, "-w", "-t", 120, "start")
        # the server lives on: it must not hold our pipes, nor count as a process of the test's home
        subprocess.run(
            [str(self.bin / "pg_ctl"), *map(str, words)],
            user=self.user,
            cwd="/",
            env={name: value for name, value in os.environ.items() if not name.startswith("BENCH_")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    def kill(self) -> None:
        """As when the power fails: no process of it says goodbye."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                return
            time.sleep(0.1)

    def stop(self) -> None:
        self._call("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://bench@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = programs()
    if found is None:
        pytest.skip("there is no PostgreSQL server on this machine (initdb): apt-get install postgresql")
    # pytest's folders are closed to other users than its own
    folder = Path(tempfile.mkdtemp(prefix="bench-postgresql-"))
    server = Server(folder, found)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def database(server: Server) -> str:
    """URL of a fresh database."""
    return fresh(server)


def fresh(server: Server) -> str:
    name = f"d{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return server.url(name)


def trials_of(url: str) -> list[FrozenTrial]:
    address = url.replace("postgresql:", "postgresql+psycopg:")
    (name,) = optuna.get_all_study_names(address)
    return optuna.load_study(study_name=name, storage=address).trials


def test_concurrent_processes_can_open_a_new_database(database: str, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from bench.searching.address import open_storage\n"
        "Path(sys.argv[1]).touch(); go = Path(sys.argv[2])\n"
        "while not go.exists(): time.sleep(0.001)\n"
        f"storage = open_storage({database!r}, Path('.'), 'tried', 30)\n"
        "with storage.exclusive(): print(storage.optuna.get_all_studies())"
    )
    ready = [tmp_path / str(number) for number in range(3)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(file), str(tmp_path / "go")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for file in ready
    ]
    deadline = time.monotonic() + 300
    while not all(file.exists() for file in ready) and time.monotonic() < deadline:
        time.sleep(0.05)
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=300) for process in processes]
    # nor is anything said, such as warnings of Optuna's
    assert said == [("[]\n", "")] * 3


def test_two_hosts_share_the_budget_and_draw_different_values(
    host: Callable[..., Any], check_over: Callable[..., None], database: str
) -> None:
    hosts = [host("--storage", database, name=name, trials=5, grace=GRACE) for name in ("one", "other")]
    for command, each in [(each.start(), each) for each in hosts]:
        each.end_of(command)
    known = trials_of(database)
    check_over(known, budget=5)
    assert [trial.state.name for trial in known] == ["COMPLETE"] * 5
    assert len({tuple(trial.params.values()) for trial in known}) == 5
    assert sum(len(each.records()) for each in hosts) == 5
    for each in hosts:
        each.check_trained(60)


def test_a_worker_without_heartbeats_is_dead_and_its_trial_is_retried(
    host: Callable[..., Any], check_over: Callable[..., None], database: str
) -> None:
    here = host("--storage", database, trials=2, steps=STEPS, grace=GRACE)
    command = here.start()
    here.wait_until_training()
    here.kill_workers()
    here.end_of(command)
    known = trials_of(database)
    check_over(known, budget=2)
    heirs = [trial.user_attrs.get(trials.RETRY_OF) for trial in known]
    assert sorted(heirs, key=str) == [0, None, None]
    assert [trial.state.name for trial in known] == ["FAIL", "COMPLETE", "COMPLETE"]
    here.check_trained(STEPS)
    assert sorted(rows.resumes for rows in here.records()) == [0, 1]


def test_a_killed_server_that_comes_back_costs_no_trial(
    host: Callable[..., Any], check_over: Callable[..., None], database: str, server: Server
) -> None:
    here = host("--storage", database, trials=2, steps=STEPS, grace=GRACE)
    command = here.start()
    here.wait_until_training()
    server.kill()
    # longer than a worker may be silent
    time.sleep(2 * GRACE)
    server.start()
    here.end_of(command)
    known = trials_of(database)
    check_over(known, budget=2)
    assert [trial.state.name for trial in known] == ["COMPLETE"] * 2
    here.check_trained(STEPS)
    assert [rows.resumes for rows in here.records()] == [0, 0]


def test_the_password_of_a_database_is_nowhere(
    host: Callable[..., Any], database: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "hunter22"  # the server asks for none, and takes any
    monkeypatch.setenv("BENCH_STORAGE", database.replace("bench@", f"bench:{password}@"))
    tracked = (
        fresh(server).replace("bench@", f"bench:{password}@").replace("postgresql:", "postgresql+psycopg:")
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked)
    here = host("--cluster", "local", trials=1, grace=GRACE, tracking=True)
    command = here.start()
    seen = set()
    while command.poll() is None:
        seen |= command_lines()
    said = "".join(map(str, here.end_of(command)))
    assert [trial.state.name for trial in trials_of(database)] == ["COMPLETE"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "ui").open("wb") as log:
        ui = subprocess.Popen(
            [sys.executable, "-m", "bench", "ui", "--port", str(port)],
            stdout=log,
            stderr=log,
            env=os.environ | {"BENCH_HOME": str(here.home)},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 180
        while not answers(port) and time.monotonic() < deadline:
            assert ui.poll() is None, (tmp_path / "ui").read_text()
            seen |= command_lines()
        assert answers(port)
        seen |= command_lines()
    finally:
        os.killpg(ui.pid, signal.SIGKILL)
        ui.wait()
    assert not [line for line in seen if password.encode() in line]
    assert password not in said + (tmp_path / "ui").read_text()
    # a database has no place for artifacts: they lie with the other results, not in the current folder
    assert list(here.home.glob("mlruns/artifacts/*/artifacts/best.yaml"))
    files = [path for path in here.home.rglob("*") if path.is_file()]
    assert any(path.match("jobs/*.pkl") for path in files)
    assert not [path for path in files if password.encode() in path.read_bytes()]


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def command_lines() -> set[bytes]:
    """The command line of every process there is."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.add((path / "cmdline").read_bytes())
    return found
