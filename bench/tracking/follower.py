"""The tracking process: follows a run's folder and keeps MLflow like it.

It reads requests, one JSON object a line, from standard input and answers each with one. Only what
a checkpoint covers is sent while the run lasts, so a run that is resumed after a kill neither leaves
a gap nor logs a step twice. It serves runs one after another: a run ends with the request to leave
it. End of input means that the training process has ended.
"""

import importlib
import json
import os
import select
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import places, record
from bench.atomic import PREFIX
from bench.run_folder import RunFolder
from bench.tracking import store
from bench.tracking.process import tracking_uri
from bench.tracking.study_view import StudyView

POLL_SECONDS = 2.0
SYSTEM_SECONDS = 10.0
NICE = 10  # training goes first
NOT_ALL = "the store does not show all of the run yet"


class Follower:
    """Sends one run's folder to its MLflow run.

    Parameters
    ----------
    run : RunFolder
        The run; its id is that of the MLflow run.
    client : MlflowClient
        The store.
    fresh : bool
        Whether the store's run was created just now: it is running, and the store has nothing else of it.
    """

    def __init__(self, run: RunFolder, client: Any, fresh: bool = False) -> None:
        self.run = run
        self.client = client
        self.sent: dict[str, int] = {} if fresh else store.latest_steps(client, run.id)
        self._alarms = "" if fresh else store.tag(client, run.id, "alarms")
        self._tail = record.Tail(run.record_path)
        self._pending: list[dict[str, Any]] = []
        self._grids: set[str] = set()
        self._system_at = 0.0
        self._ready = False
        self._description: dict[str, Any] | None = run.describe()
        # a study has hundreds of runs, whose folders hold all that
        self._numbers_only = "study" in self._description
        if not fresh:
            client.update_run(run.id, status="RUNNING")

    def send(self, final: bool = False) -> None:
        """Send what the record has up to its last checkpoint, or all of it at the end; alarms at once."""
        if self._description:
            # here, since a run need not wait for it
            store.describe_run(self.client, self.run.id, self._description)
            self._description = None
        # kept until all of it has arrived: a store that is away gets it at the next call
        self._pending += self._tail.rows(settled_only=not final)
        self._send_alarms()
        points = [point for row in self._pending for point in points_of(row)]
        unsent = [(name, step, value) for name, step, value in points if step > self.sent.get(name, -1)]
        for batch in store.batched(unsent, store.POINTS):
            store.send_points(self.client, self.run.id, batch)
            self.sent |= {name: step for name, step, _ in batch}
        for row in self._pending:
            if row.get("event") == "evaluation" and not self._numbers_only:
                self._send_grid(row["step"])
        self._pending.clear()

    def get_ready(self) -> None:
        """Import, once and while training goes on, what the run's end needs."""
        wanted, self._ready = not (self._ready or self._numbers_only), True
        if wanted:
            importlib.import_module("bench.tracking.model")

    def _send_alarms(self) -> None:
        # a tag can be set anew, so alarms need not wait for the checkpoint after which they stand
        alarms = record.tag_of_alarms(self._tail.alarms)
        if alarms != self._alarms:
            store.send_tags(self.client, self.run.id, {"alarms": alarms})
            self._alarms = alarms

    def _send_grid(self, step: int) -> None:
        path = self.run.samples / f"step-{step:08d}.png"
        if not path.exists() or path.name in self._grids:
            return
        from bench.image_files import PNG, open_image

        self._grids.add(path.name)
        with open_image(path, PNG) as image:
            self.client.log_image(self.run.id, image, key="samples", step=step, synchronous=True)

    def send_system(self, process_id: int) -> None:
        """Log the training process's share of the machine, at most every SYSTEM_SECONDS."""
        import psutil

        if time.monotonic() - self._system_at < SYSTEM_SECONDS:
            return
        self._system_at = time.monotonic()
        try:
            process = psutil.Process(process_id)
            resident = process.memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            return
        step = self.sent.get("system/process_memory_megabytes", -1) + 1
        points = [
            ("system/process_memory_megabytes", step, resident),
            ("system/cpu_utilization_percentage", step, psutil.cpu_percent()),
            ("system/system_memory_usage_percentage", step, psutil.virtual_memory().percent),
        ]
        store.send_points(self.client, self.run.id, points)
        self.sent |= {name: step for name, step, _ in points}

    def finish(self) -> None:
        """Send the rest, artifacts and the status; a run that did not end itself was killed."""
        self.send()
        end = self._tail.end
        if end is None:
            self.client.set_terminated(self.run.id, status="KILLED")
            return
        self.send(final=True)
        step = end["step"]
        store.send_points(self.client, self.run.id, [(n, step, v) for n, v in end["best"].items()])
        store.send_tags(self.client, self.run.id, {"health": end["health"]})
        for path in (self.run.path / "run.json", self.run.record_path):
            self.client.log_artifact(self.run.id, str(path))
        if not self._numbers_only:
            self._send_products(end["status"])
        self.client.set_terminated(self.run.id, status=end["status"])

    def _send_products(self, status: str) -> None:
        """Upload checkpoints and figures, and a finished run's generator as a model."""
        for folder in (self.run.checkpoints, self.run.figures):
            for path in sorted(folder.iterdir()):
                # a process that draws or saves meanwhile has files that are not finished
                if not path.name.startswith(PREFIX):
                    self.client.log_artifact(self.run.id, str(path), folder.name)
        if status == "FINISHED":
            # brings torch, which would keep training from beginning
            from bench.tracking.model import save_generator

            with tempfile.TemporaryDirectory() as temporary:
                save_generator(self.run, Path(temporary) / "generator")
                self.client.log_artifacts(self.run.id, str(Path(temporary) / "generator"), "generator")


def points_of(row: dict[str, Any]) -> list[store.Point]:
    """The metric points of one line of the record."""
    if row.get("event") not in (None, "evaluation"):
        return []
    return [(name, row["step"], value) for name, value in row.items() if name not in ("step", "event")]


class Requests:
    """Answers the training process's requests.

    Attributes
    ----------
    follower : Follower or None
        Follows the run, once that is asked.
    """

    def __init__(self) -> None:
        self.follower: Follower | None = None
        self._created: tuple[Any, str] | None = None
        self._gathered: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        self._views: dict[str, StudyView] = {}

    def open(self, uri: str, results: Path) -> None:
        """Open a store on this machine that exists, before anything is asked: it takes most of a second."""
        if uri.startswith("sqlite:") and Path(uri.removeprefix("sqlite:///")).exists():
            # what is wrong with it is told when it is asked for something
            with suppress(Exception):
                self._clients[uri] = store.open_store(uri, results)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create, follow or leave a run, or keep the run above several."""
        if "leave" in request:
            self.leave()
            return {"left": True}
        uri, results = request["uri"], Path(request["results"])
        if uri not in self._clients:
            self._clients[uri] = store.open_store(uri, results)
        client = self._clients[uri]
        if "create" in request:
            run_id = store.create_run(client, uri, request["create"], results)
            self._created = client, run_id
            return {"run_id": run_id}
        if "gather" in request:
            run_id = store.parent_run(client, uri, request["gather"], results)
            self._gathered[run_id] = client
            return {"run_id": run_id}
        if "show" in request:
            self._show(client, uri, request["show"], results)
            return {"shown": True}
        if "aggregate" in request:
            self._aggregate(client, request["aggregate"])
            return {"aggregated": True}
        run = RunFolder(Path(request["follow"]))
        # the training process waits for the answer, and a question to the store takes it longer than a step
        self.follower = Follower(run, client, fresh=self._created == (client, run.id))
        return {"following": request["follow"]}

    def _show(self, client: Any, uri: str, request: dict[str, Any], results: Path) -> None:
        parent = request["parent"]
        # only a view that has shown all knows what the store has
        view = self._views.pop(parent, None)
        if view is None:
            experiment = store.experiment_id(client, uri, request["experiment"], results)
            view = StudyView(client, parent, request["study"], experiment, results / "runs")
        view.show(request["trials"], request["best"])
        self._views[parent] = view

    def _aggregate(self, client: Any, request: dict[str, Any]) -> None:
        run_id = request["parent"]
        store.adopt(client, run_id, request["runs"])
        store.send_points(client, run_id, [(name, 0, value) for name, value in request["metrics"].items()])
        for name in request["files"]:
            path = Path(request["folder"], name)
            if path.is_dir():
                client.log_artifacts(run_id, str(path), name)
            else:
                client.log_artifact(run_id, str(path))
        client.set_terminated(run_id, status=request["status"])
        self._gathered.pop(run_id, None)

    def leave(self) -> None:
        """Bring the run to its end in the store; one that was created and never begun was killed."""
        follower, created = self.follower, self._created
        # free for the next run, whatever happens
        self.follower, self._created = None, None
        if follower:
            follower.finish()
        elif created:
            client, run_id = created
            client.set_terminated(run_id, status="KILLED")

    def finish(self) -> None:
        """Bring everything to its end in the store: the run, and the runs above several."""
        try:
            self.leave()
        finally:
            for run_id, client in self._gathered.items():
                client.set_terminated(run_id, status="KILLED")


def main() -> int:
    """Answer requests until the training process has ended."""
    os.nice(NICE)
    # answers alone go to standard output, whatever the libraries print
    answers, sys.stdout = sys.stdout, sys.stderr
    requests = Requests()
    requests.open(tracking_uri(), places.results())
    parent = os.getppid()
    due = time.monotonic() + POLL_SECONDS
    while True:
        # requests that come often do not keep the run from being followed
        ready, _, _ = select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))
        if ready:
            line = sys.stdin.readline()
            if not line:
                break
            print(json.dumps(_answer(requests, line)), file=answers, flush=True)
        if time.monotonic() >= due:
            _follow(requests.follower, parent)
            due = time.monotonic() + POLL_SECONDS
    try:
        requests.finish()
    except Exception as error:
        problem = f"{NOT_ALL}: {_words(error)}"
        print(json.dumps({"error": problem}), file=answers, flush=True)
        return 1
    return 0


def _answer(requests: Requests, line: str) -> dict[str, Any]:
    request: dict[str, Any] = {}
    try:
        request = json.loads(line)
        return requests.answer(request)
    except Exception as error:
        if "leave" in request:
            return {"error": f"{NOT_ALL}: {_words(error)}"}
        return {"error": f"{type(error).__name__}: {_words(error)}"}


def _follow(follower: Follower | None, process_id: int) -> None:
    if not follower:
        return
    try:
        follower.send()
        follower.send_system(process_id)
        follower.get_ready()
    except Exception as error:
        # the run goes on without a store that is away; what was not sent is sent later
        print(f"tracking: {type(error).__name__}: {_words(error)}", file=sys.stderr, flush=True)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


if __name__ == "__main__":
    sys.exit(main())
