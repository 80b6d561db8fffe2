"""Sends a run's folder to its MLflow run, while the run is trained or later.

During training only steps before the last checkpoint are sent, so a run that is resumed after a kill neither
leaves a gap nor logs a step twice. A store may be away, or not know the run: the run is found or created when
the store is there, and gets what it lacks from the record.
"""

import hashlib
import importlib
import time
from collections.abc import Callable, Mapping

from filelock import Timeout
from mlflow import MlflowClient

from bench.runs import record
from bench.runs.record import Evaluation, Event, StepRow
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError
from bench.tracking import grids, metric_names, notes, store
from bench.tracking.opening import Store, StoreLost
from bench.tracking.patience import PATIENCE_SECONDS

SYSTEM_SECONDS = 10
# tag, hidden by MLflow's pages: hash of the record that the store has completely
RECORD = "mlflow.bench.record"


class Follower:
    """Sends one run's folder to its MLflow run.

    Parameters
    ----------
    run : RunFolder
        The run.
    connect : callable
        Returns the open store.
    fresh : bool
        Whether the MLflow run was created just now, and is empty.
    over : bool
        Whether the run has ended: every point is compared with the store, not only the last step.

    Attributes
    ----------
    points, files : int
        Numbers of points and files that were sent.
    loss_reported : bool
        Whether the loss of the store was reported to the user.
    """

    def __init__(
        self, run: RunFolder, connect: Callable[[], Store], fresh: bool = False, over: bool = False
    ) -> None:
        self.run = run
        self.points = self.files = 0
        self.loss_reported = False
        self.name = run.describe().name
        self.id = run.id
        self._connect = connect
        self._fresh, self._over = fresh, over
        self._description = run.describe()
        self._began = store.created(self._description)
        # one process at a time sends a run
        self._lock = run.sending_lock()
        self._wait = PATIENCE_SECONDS if over else 0.0
        self._opened: Store | None = None
        self._begun = False
        self._lost: StoreLost | None = None
        self._latest: dict[str, int] = {}
        self._steps: dict[str, set[int]] = {}
        self._alarms = ""
        self._tail = record.Tail(run.record_path)
        self._pending: list[StepRow | Event] = []
        self._evaluations: dict[int, Mapping[str, float]] = {}
        self._grids: dict[str, int] | None = None
        self._slot = 0
        self._ready = False
        # grids and checkpoints of a study's hundreds of runs stay in their folders
        self._numbers_only = self._description.study is not None

    @property
    def client(self) -> MlflowClient:
        """The store's client; its first use locks the run and finds or creates the MLflow run.

        Raises
        ------
        WorkError
            If the store is away or was lost, or another process still sends the run.
        """
        if self._opened is None:
            self._opened = self._open()
        if lost := self.loss():
            raise lost
        if not self._begun:
            self._begin(self._opened)
            self._begun = True
        return self._opened.client

    def loss(self) -> StoreLost | None:
        """Return the error if the store was lost."""
        if self._opened and not self._lost:
            try:
                self._opened.check_file()
            except StoreLost as lost:
                self._lost = lost
        return self._lost

    def close(self) -> None:
        """Release the run for other processes."""
        self._lock.release(force=True)

    def _open(self) -> Store:
        try:
            if not self._lock.is_locked:
                self._lock.acquire(timeout=self._wait)
        except Timeout:
            raise WorkError(f"another process still sends {self.name}") from None
        return self._connect()

    def _begin(self, opened: Store) -> None:
        """Find or create the run in the store, and read what the store has."""
        client = opened.client
        found = None if self._fresh else store.find_run(client, self.run.id)
        if found is not None:
            self.id = found.info.run_id
            if found.info.lifecycle_stage != "active":
                client.restore_run(self.id)
            if not self._over and found.info.status != "RUNNING":
                client.update_run(self.id, status="RUNNING")
            self._latest = {metric.key: int(metric.step) for metric in found.data.to_proto().metrics}
            self._alarms = found.data.tags.get("alarms", "")
        elif not self._fresh:
            self.id = store.create_run(opened, self._description, **{store.RUN: self.run.id})
        # here rather than at creation, because training does not wait for this
        store.describe_run(client, self.id, self.run.id, self._description)
        if not self._over:
            notes.send(client, self.id, notes.of_run(self._description, None, {}, in_training=True))
        # an earlier process may have logged the current slot
        self._slot = self._slot_now()

    def send(self, final: bool = False) -> None:
        """Send the record up to its last checkpoint, or all of it if `final`; alarms at once."""
        client = self.client
        # rows are kept until all have arrived: a store that is away gets them at the next call
        self._send_pending(client)
        self._pending = self._tail.read(covered_only=not final)
        # a tag can be overwritten, so alarms need not wait for a checkpoint
        alarms = record.alarm_tag(self._tail.alarms)
        if alarms != self._alarms:
            store.send_tags(client, self.id, {"alarms": alarms})
            self._alarms = alarms
        self._send_pending(client)

    def _send_pending(self, client: MlflowClient) -> None:
        points = [point for entry in self._pending for point in points_of(entry)]
        for batch in store.batched((p for p in points if not self._has(client, p)), store.POINTS):
            self._send_points(client, batch)
        for entry in self._pending:
            if isinstance(entry, Evaluation):
                self._evaluations[entry.step] = entry.values
                if not self._numbers_only:
                    self._send_grid(client, entry.step)
        self._pending = []

    def _has(self, client: MlflowClient, point: store.Point) -> bool:
        name, step, _ = point
        if not self._over:
            return step <= self._latest.get(name, -1)
        if name not in self._steps:
            known = name in self._latest
            self._steps[name] = store.sent_steps(client, self.id, name) if known else set()
        return step in self._steps[name]

    def _send_points(self, client: MlflowClient, points: list[store.Point]) -> None:
        store.send_points(client, self.id, points, self._began)
        self._latest |= {name: step for name, step, _ in points}
        self.points += len(points)

    def _send_grid(self, client: MlflowClient, step: int) -> None:
        path = self.run.samples / f"step-{step:08d}.png"
        if not path.exists():
            return
        if self._grids is None:
            self._grids = store.files_of(client, self.id, grids.FOLDER)
        files = grids.names(self.run.id, step, self._began + step)
        if self._grids.get(files[0]) == path.stat().st_size:
            return
        grids.send(client, self.id, path, files)
        self._grids[files[0]] = path.stat().st_size
        self.files += 1

    def get_ready(self) -> None:
        """Import during training what the run's end needs."""
        wanted, self._ready = not (self._ready or self._numbers_only), True
        if wanted:
            importlib.import_module("bench.tracking.model")

    def _slot_now(self) -> int:
        return int(time.time() - self._began / 1000) // SYSTEM_SECONDS

    def send_system(self, process_id: int) -> None:
        """Log memory and CPU use, once per SYSTEM_SECONDS since the run began."""
        import psutil

        slot = self._slot_now()
        if slot <= self._slot:
            return
        # set before sending, so that a failed measurement is not repeated in this slot
        self._slot = slot
        try:
            resident = psutil.Process(process_id).memory_info().rss / 2**20
        except psutil.NoSuchProcess:
            return
        points = [
            ("system/process_memory_megabytes", slot, resident),
            ("system/cpu_utilization_percentage", slot, psutil.cpu_percent()),
            ("system/system_memory_usage_percentage", slot, psutil.virtual_memory().percent),
        ]
        store.send_points(self.client, self.id, points, self._began)

    def finish(self) -> None:
        """Send the rest, artifacts and the status; a run without an end in its record was killed."""
        self._wait = PATIENCE_SECONDS
        self.send()
        client, end = self.client, self._tail.end
        if end is None:
            self._describe(client)
            self._end("KILLED")
            return
        self.send(final=True)
        step = end.step
        best = [(metric_names.of_best(name), step, value) for name, value in end.best.items()]
        self._send_points(client, [point for point in best if not (self._over and self._has(client, point))])
        tags = client.get_run(self.id).data.tags
        digest = self._digest()
        # a record that was sent before is not uploaded again
        present = self._over and tags.get(RECORD) == digest
        if not present:
            for path in (self.run.path / "run.json", self.run.record_path):
                client.log_artifact(self.id, str(path))
        if not self._numbers_only:
            self._send_products(client, end.status, present)
        store.send_tags(client, self.id, {"health": end.health, RECORD: digest})
        self._describe(client)
        self._end(end.status)

    def _describe(self, client: MlflowClient) -> None:
        """Set the description that MLflow's pages show, with the verdict."""
        last = self._evaluations[max(self._evaluations)] if self._evaluations else {}
        notes.send(client, self.id, notes.of_run(self._description, self._tail.end, last))

    def _digest(self) -> str:
        return hashlib.sha256(self.run.record_path.read_bytes()).hexdigest()

    def _end(self, status: str) -> None:
        if self._over and self.client.get_run(self.id).info.status == status:
            return
        moment = self.run.record_path if self.run.record_path.exists() else self.run.path
        self.client.set_terminated(self.id, status, end_time=int(moment.stat().st_mtime * 1000))

    def _send_products(self, client: MlflowClient, status: str, present: bool) -> None:
        """Upload checkpoints and figures, and a finished run's generator as a model."""
        for folder in (self.run.checkpoints, self.run.figures):
            self.files += store.send_files(client, self.id, folder, folder.name, present)
        if status != "FINISHED":
            return
        # imported late: torch would delay the start of training
        from bench.tracking.model import log_generator

        self.files += log_generator(client, self.id, self.run, self._evaluations, self._began)


def points_of(entry: StepRow | Event) -> list[store.Point]:
    """Return the metric points of one line of the record."""
    match entry:
        case dict():
            step = int(entry["step"])
            names = (name for name in entry if name != "step")
            return [(metric_names.of_step(name), step, entry[name]) for name in names]
        case Evaluation(step=step):
            return [(metric_names.of_evaluation(name), step, v) for name, v in entry.values.items()]
        case _:
            return []
