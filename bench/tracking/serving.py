"""The tracking process: answers the training process's requests and follows a run.

It reads requests, one JSON object a line, from standard input and answers each with one, in order. It
serves runs one after another: a run ends with the request to leave it. End of input means that the
training process has ended.
"""

import json
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.runs.description import RunDescription
from bench.runs.run_folder import RunFolder
from bench.system import paths, store_address
from bench.system.store_address import Redacting
from bench.tracking import store
from bench.tracking.follower import Follower
from bench.tracking.opening import Store, in_words, open_store
from bench.tracking.store_choice import current_store
from bench.tracking.study_view import StudyView

POLL_SECONDS = 2.0
NICE = 10  # training goes first


class Requests:
    """Answers the training process's requests.

    Attributes
    ----------
    follower : Follower or None
        Follows the run, once that is asked.
    """

    def __init__(self) -> None:
        self.follower: Follower | None = None
        self._created: tuple[Store, str] | None = None
        self._gathered: dict[str, Store] = {}
        self._stores: dict[str, Store] = {}
        self._views: dict[str, StudyView] = {}

    def prepare(self) -> None:
        """Open a store on this machine that exists, before anything is asked: it takes most of a second."""
        address = current_store()
        if address.file and address.file.exists():
            # what is wrong with it is told when it is asked for something
            with suppress(Exception):
                self._open(address.full, paths.results())

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create, follow, leave or send a run, or keep the run above several."""
        if "leave" in request:
            self.leave()
            return {"left": True}
        uri, results = request["uri"], Path(request["results"])
        if "follow" in request:
            # opened later: the training process does not wait for it
            run = RunFolder(Path(request["follow"]))
            fresh = self._created is not None and self._created[1] == run.id
            self.follower = Follower(run, lambda: self._open(uri, results), fresh)
            return {"following": run.id}
        if "send" in request:
            return self._send(RunFolder(Path(request["send"])), uri, results)
        opened = self._open(uri, results)
        if "create" in request:
            run_id = store.create_run(opened, RunDescription.model_validate(request["create"]))
            self._created = opened, run_id
            return {"run_id": run_id}
        if "gather" in request:
            run_id = store.parent_run(opened, request["gather"])
            self._gathered[run_id] = opened
            return {"run_id": run_id}
        if "show" in request:
            self._show(opened, request["show"], results)
        elif "aggregate" in request:
            self._aggregate(opened.client, request["aggregate"])
        return {"done": True}

    def _open(self, uri: str, results: Path) -> Store:
        if uri not in self._stores:
            self._stores[uri] = open_store(store_address.read(uri), results)
        return self._stores[uri]

    def _send(self, run: RunFolder, uri: str, results: Path) -> dict[str, Any]:
        """Send all of a run that is not in training."""
        follower = Follower(run, lambda: self._open(uri, results), over=True)
        try:
            follower.finish()
        finally:
            follower.close()
        return {"run_id": follower.id, "points": follower.points, "files": follower.files}

    def _show(self, opened: Store, request: dict[str, Any], results: Path) -> None:
        parent = request["parent"]
        # only a view that has shown all knows what the store has
        view = self._views.pop(parent, None)
        if view is None:
            experiment = store.experiment_id(opened, request["experiment"])
            view = StudyView(opened.client, parent, request["study"], experiment, results / "runs")
        view.show(request["trials"], request["best"])
        self._views[parent] = view

    def _aggregate(self, client: Any, request: dict[str, Any]) -> None:
        run_id = request["parent"]
        store.adopt(client, run_id, request["runs"])
        store.send_summary(client, run_id, request["metrics"], request["step"])
        for name in request["files"]:
            path = Path(request["folder"], name)
            if path.is_dir():
                store.send_files(client, run_id, path, name)
            elif path.exists():
                client.log_artifact(run_id, str(path))
        client.set_terminated(run_id, status=request["status"])
        self._gathered.pop(run_id, None)

    def leave(self) -> None:
        """Bring the run to its end in the store; one that was created and never begun was killed."""
        follower, created = self.follower, self._created
        # free for the next run, whatever happens
        self.follower, self._created = None, None
        if follower:
            try:
                follower.finish()
            except Exception as error:
                lost = follower.loss()
                if not (lost and follower.loss_reported):
                    raise (lost or error) from None
            finally:
                follower.close()
        elif created:
            opened, run_id = created
            opened.client.set_terminated(run_id, status="KILLED")

    def finish(self) -> None:
        """Bring everything to its end in the store: the run, and the runs above several."""
        try:
            self.leave()
        finally:
            for run_id, opened in self._gathered.items():
                opened.client.set_terminated(run_id, status="KILLED")


class Watch:
    """Follows the run while it lasts, and reports once that the store is away and once that it is back.

    Parameters
    ----------
    report : callable
        Called with a line for the user and whether the line is a warning.
    """

    def __init__(self, report: Callable[[str, bool], None]) -> None:
        self._report = report
        self._away: Follower | None = None

    def follow(self, follower: Follower | None, process_id: int) -> None:
        """Send what there is to send."""
        if not follower:
            return
        try:
            follower.send()
            follower.send_system(process_id)
            follower.get_ready()
        except Exception as error:
            # the run goes on without a store that is away; what was not sent is sent later
            lost = follower.loss()
            error = lost or error
            if self._away is not follower:
                self._report(
                    f"tracking: {in_words(error)}; training goes on, and what is missing is sent later, or "
                    f"by: bench track {follower.name}",
                    True,
                )
            self._away = follower
            follower.loss_reported = lost is not None
            return
        if self._away is follower:
            self._report("tracking: the store is back and has everything so far", False)
        self._away = None


def main() -> int:
    """Answer requests until the training process has ended."""
    os.nice(NICE)
    # answers alone go to standard output, whatever the libraries print
    answers = sys.stdout.fileno()
    sys.stdout = sys.stderr = Redacting(sys.stderr)

    def write(message: dict[str, Any]) -> None:
        # nobody reads when the training process has ended
        with suppress(BrokenPipeError):
            os.write(answers, json.dumps(message).encode() + b"\n")

    requests = Requests()
    watch = Watch(lambda line, is_warning: write({"notice": line, "is_warning": is_warning}))
    requests.prepare()
    parent = os.getppid()
    due = time.monotonic() + POLL_SECONDS
    unread = b""
    while True:
        # requests that come often do not keep the run from being followed
        ready, _, _ = select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))
        if ready:
            # not readline, which would keep further lines where select does not see them
            came = os.read(sys.stdin.fileno(), 2**16)
            if not came:
                break
            *lines, unread = (unread + came).split(b"\n")
            for line in lines:
                write(_answer(requests, line))
        if time.monotonic() >= due:
            watch.follow(requests.follower, parent)
            due = time.monotonic() + POLL_SECONDS
    try:
        requests.finish()
    except Exception as error:
        write({"error": in_words(error)})
        return 1
    return 0


def _answer(requests: Requests, line: bytes) -> dict[str, Any]:
    try:
        return requests.answer(json.loads(line))
    except Exception as error:
        return {"error": in_words(error)}


if __name__ == "__main__":
    sys.exit(main())
