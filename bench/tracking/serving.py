"""The tracking process: answers the training process's requests and follows a run.

It reads requests from standard input, one JSON object per line, and answers each with one line, in order. It
serves runs one after another: a run ends with the request to finish it. End of input means that the
training process has ended.
"""

import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from shlex import quote
from typing import assert_never

from mlflow import MlflowClient

from bench.runs.run_folder import RunFolder
from bench.system import paths, store_address
from bench.system.store_address import Redacting
from bench.tracking import deletion, messages, store, views
from bench.tracking.follower import Follower
from bench.tracking.messages import Answer, Failure, Request, RunId, RunSent
from bench.tracking.opening import Store, one_line, open_store
from bench.tracking.store_choice import current_store
from bench.tracking.study_view import StudyView

POLL_SECONDS = 2.0
NICE = 10  # training goes first


class RequestHandler:
    """Answers the training process's requests.

    Attributes
    ----------
    follower : Follower or None
        Follows the run, once that is requested.
    """

    def __init__(self) -> None:
        self.follower: Follower | None = None
        self._created: tuple[Store, str] | None = None
        self._parents: dict[str, Store] = {}
        self._stores: dict[str, Store] = {}
        self._views: dict[str, StudyView] = {}

    def open_ahead(self) -> None:
        """Open an existing store on this machine before the first request: opening takes most of a second."""
        address = current_store()
        if address.file and address.file.exists():
            # a problem is reported by the first request that needs the store
            with suppress(Exception):
                self._open(address.full)

    def handle(self, request: Request) -> Answer:
        """Carry out a request and return the answer."""
        match request:
            case messages.OpenStore(uri):
                self._open(uri)
            case messages.CreateRun(uri, description):
                opened = self._open(uri)
                self._created = opened, store.create_run(opened, description)
                return RunId(self._created[1])
            case messages.FollowRun(uri, folder):
                run = RunFolder(folder)
                fresh = self._created is not None and self._created[1] == run.id
                # the store is opened later: the training process does not wait for it
                self.follower = Follower(run, lambda: self._open(uri), fresh)
            case messages.FinishRun():
                self.finish_run()
            case messages.SendRun(uri, folder):
                return self._send_run(RunFolder(folder), uri)
            case messages.OpenParent(uri, parent):
                opened = self._open(uri)
                run_id = store.parent_run(opened, parent)
                self._parents[run_id] = opened
                return RunId(run_id)
            case messages.ShowTrials(uri, snapshot):
                self._show_trials(self._open(uri), snapshot)
            case messages.FinishParent(uri):
                self._finish_parent(self._open(uri).client, request)
            case messages.ShareView(uri, experiment, metrics, tags):
                return messages.ViewShared(views.share(self._open(uri).client, experiment, metrics, tags))
            case messages.DeleteRuns(uri, runs):
                deletion.delete_runs(self._open(uri), runs)
            case messages.DeleteStudy(uri, study):
                deletion.delete_study(self._open(uri), study)
            case _:
                assert_never(request)
        return messages.Done()

    def _open(self, uri: str) -> Store:
        if uri not in self._stores:
            address = store_address.read(uri)
            self._stores[uri] = open_store(address, paths.results())
        return self._stores[uri]

    def _send_run(self, run: RunFolder, uri: str) -> RunSent:
        follower = Follower(run, lambda: self._open(uri), over=True)
        try:
            follower.finish()
        finally:
            follower.close()
        return RunSent(follower.id, follower.points, follower.files)

    def _show_trials(self, opened: Store, snapshot: messages.StudySnapshot) -> None:
        # a view that failed does not know what the store has: it is not kept
        view = self._views.pop(snapshot.parent, None)
        if view is None:
            experiment = store.experiment_id(opened, snapshot.experiment)
            view = StudyView(
                opened.client, snapshot.parent, snapshot.study, experiment, opened.results / "runs"
            )
        view.show(snapshot.trials, snapshot.best)
        self._views[snapshot.parent] = view

    def _finish_parent(self, client: MlflowClient, request: messages.FinishParent) -> None:
        run_id, summary = request.parent, request.summary
        store.adopt(client, run_id, summary.runs)
        store.describe_parent(client, run_id, summary.text)
        for name in summary.files:
            path = request.folder / name
            if path.is_dir():
                store.send_files(client, run_id, path, name)
            elif path.exists():
                client.log_artifact(run_id, str(path))
        client.set_terminated(run_id, status=summary.status)
        self._parents.pop(run_id, None)

    def finish_run(self) -> None:
        """Finish the followed run in the store; a run that was created and never followed was killed."""
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

    def close(self) -> None:
        """Finish the followed run and the parent runs."""
        try:
            self.finish_run()
        finally:
            for run_id, opened in self._parents.items():
                opened.client.set_terminated(run_id, status="KILLED")


class RunSender:
    """Sends the followed run, and reports once when the store is away and once when it is back.

    Parameters
    ----------
    report : callable
        Called with each notice for the user.
    """

    def __init__(self, report: Callable[[messages.Notice], None]) -> None:
        self._report = report
        self._away: Follower | None = None

    def send(self, follower: Follower | None, process_id: int) -> None:
        """Send what is new in the followed run."""
        if not follower:
            return
        try:
            follower.send()
            follower.send_system(process_id)
            follower.get_ready()
        except Exception as error:
            # training does not need the store; what was not sent is sent later
            lost = follower.loss()
            error = lost or error
            if self._away is not follower:
                text = (
                    f"tracking: {one_line(error)}; training goes on, and what is missing is sent later, or "
                    f"by: bench track {quote(follower.name)}"
                )
                self._report(messages.Notice(text, is_warning=True))
            self._away = follower
            follower.loss_reported = lost is not None
            return
        if self._away is follower:
            text = "tracking: the store is back and has everything so far"
            self._report(messages.Notice(text, is_warning=False))
        self._away = None


def main() -> int:
    """Answer requests until the training process has ended."""
    os.nice(NICE)
    # only answers go to standard output, whatever the libraries print
    answers = sys.stdout.fileno()
    sys.stdout = sys.stderr = Redacting(sys.stderr)

    def write(message: Answer | messages.Notice) -> None:
        # nobody reads when the training process has ended
        with suppress(BrokenPipeError):
            os.write(answers, messages.encode(message))

    handler, sender = RequestHandler(), RunSender(write)
    handler.open_ahead()
    parent = os.getppid()
    due = time.monotonic() + POLL_SECONDS
    unread = b""
    while True:
        # frequent requests do not keep the run from being sent
        ready, _, _ = select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))
        if ready:
            # not readline, which would buffer further lines where select does not see them
            received = os.read(sys.stdin.fileno(), 2**16)
            if not received:
                break
            *lines, unread = (unread + received).split(b"\n")
            for line in lines:
                write(_answer(handler, line))
        if time.monotonic() >= due:
            sender.send(handler.follower, parent)
            due = time.monotonic() + POLL_SECONDS
    try:
        handler.close()
    except Exception as error:
        write(Failure(one_line(error)))
        return 1
    return 0


def _answer(handler: RequestHandler, line: bytes) -> Answer:
    try:
        return handler.handle(messages.decode_request(line))
    except Exception as error:
        return Failure(one_line(error))


if __name__ == "__main__":
    sys.exit(main())
