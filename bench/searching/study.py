"""Runs studies: searches every variant, writes tables, and trains every winner again."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.execution import multirun
from bench.execution.progress import Progress
from bench.execution.tracked_run import tracking
from bench.searching import address, cluster, storage
from bench.searching.cluster import JobPool
from bench.searching.other_studies import notes_on_others
from bench.searching.plan import StudyPlan, plan_study
from bench.searching.study_file import StudyFile
from bench.searching.study_loop import StudyLoop, create_study
from bench.searching.worker_pool import ProcessPool, WorkerPool
from bench.system.atomic_files import write_text
from bench.system.errors import RequestError, WorkError
from bench.system.json_values import Json
from bench.system.store_address import Redacting
from bench.tracking.messages import ParentSummary
from bench.tracking.store_choice import current_store

if TYPE_CHECKING:
    from bench.searching.summary import StudySummary

STORAGE = "BENCH_STORAGE"


@dataclass(frozen=True)
class ExecutionOptions:
    """Where a study is run and with how many workers; does not change the study's identity.

    Attributes
    ----------
    storage : str or None
        URL of a PostgreSQL database; without one, a journal file on this host.
    workers : int
        Trials at a time, at least 1.
    timeout : float or None
        Minutes after which no trial begins.
    cluster : str or None
        ``slurm`` or ``local``: workers are submitted as jobs.
    """

    storage: str | None = None
    workers: int = 1
    timeout: float | None = None
    cluster: str | None = None

    def check(self) -> None:
        """Raise RequestError if an option is not possible."""
        if self.workers < 1:
            raise RequestError(f"workers: {self.workers} is not possible: allowed is a whole number from 1")
        if self.storage is not None:
            address.check_address(self.storage)
        if self.cluster is not None:
            cluster.check_cluster(self.cluster)
        if self.cluster == "slurm" and self.storage is None:
            raise RequestError("--cluster slurm: several hosts need --storage postgresql://...")


@dataclass(frozen=True)
class StudyResult:
    """A study that was run.

    Attributes
    ----------
    plan : StudyPlan
        The study.
    result : StudySummary
        The study's summary.
    parent : str or None
        Id of its MLflow run.
    is_leader : bool
        Whether this command led the study at the end; otherwise another command does what follows.
    """

    plan: StudyPlan
    result: "StudySummary"
    parent: str | None
    is_leader: bool

    def __repr__(self) -> str:
        return repr(self.result)

    def _repr_html_(self) -> str:
        """Return the study's summary, for notebooks."""
        return self.result._repr_html_()


@dataclass(frozen=True)
class StudiesResult:
    """The results of a command's studies.

    Attributes
    ----------
    studies : list of StudyResult
        One per variant.
    winners : multirun.MultirunResult or None
        The winners on fresh seeds, if the study file has fresh seeds.
    """

    studies: list[StudyResult]
    winners: multirun.MultirunResult | None

    def __repr__(self) -> str:
        return f"StudiesResult({', '.join(map(repr, self.studies))}, winners={self.winners!r})"

    def _repr_html_(self) -> str:
        """Return the summaries of all studies, for notebooks."""
        return "".join(each._repr_html_() for each in self.studies)


def plan_studies(
    title: str,
    file: StudyFile,
    variants: Sequence[str],
    given: Mapping[str, object],
    options: ExecutionOptions,
    progress: Progress,
) -> list[StudyPlan]:
    """Plan the study of every variant, or of the file's; see :func:`bench.searching.plan.plan_study`."""
    options.check()
    chosen = list(dict.fromkeys(variants)) or ([file.variant] if file.variant else [])
    if not chosen:
        raise RequestError(f"study {title} names no variant: --variant does")
    share = 1 if options.cluster else options.workers
    return [plan_study(title, file, name, given, share, progress) for name in chosen]


def run_studies(plans: Sequence[StudyPlan], options: ExecutionOptions, progress: Progress) -> StudiesResult:
    """Search with the same budget for every variant, then train the winners on fresh seeds.

    Raises
    ------
    Stopped
        If the user stopped the command; the same call resumes.
    WorkError
        If a study has no complete trial, or its storage or workers fail.
    """
    until = None if options.timeout is None else time.time() + 60 * options.timeout
    studies = [_search(each, options, until, progress) for each in plans]
    over = all(each.result.is_over for each in studies)
    empty = [each.result for each in studies if each.result.best is None]
    if empty and (over or len(studies) == 1):
        from bench.searching.advice import nothing_completed

        raise WorkError(". ".join(nothing_completed(result) for result in empty))
    # of several commands the last leader trains the winners
    if not plans[0].file.fresh_seeds or not over or not studies[-1].is_leader:
        return StudiesResult(studies, None)
    return StudiesResult(studies, _train_winners(studies, options, progress))


def _search(
    plan: StudyPlan, options: ExecutionOptions, until: float | None, progress: Progress, is_job: bool = False
) -> StudyResult:
    store = address.open_storage(options.storage, plan.folder, plan.name, plan.file.grace)
    study = storage.with_retries(lambda: create_study(plan, store))
    has_begun = any(t.state.is_finished() for t in study.get_trials(deepcopy=False))
    notes = [] if has_begun else notes_on_others(plan)
    pool: WorkerPool = ProcessPool(plan, store, options.storage, options.workers, until, progress, is_job)
    if options.cluster:
        # submitit writes a task's arguments into a file, which must not contain a password
        arguments = (plan.to_json(), options.storage is not None, until)
        secrets = {} if options.storage is None else {STORAGE: options.storage}
        pool = JobPool(options.cluster, plan, options.workers, run_cluster_job, arguments, secrets)
    with tracking(plan.base.harness.tracking, progress) as tracker:
        loop = StudyLoop(plan, study, store, pool, until, tracker, progress, notes)
        is_leader = loop.run()
        # imported late: pandas and scipy would delay the first trial
        from bench.searching.study_files import write_files
        from bench.searching.summary import summarize

        result = summarize(study, plan)
        if is_leader:
            files = write_files(study, plan, result, progress)
            if tracker and loop.parent:
                problem = tracker.finish_parent(
                    loop.parent, summary_of(result, files), plan.folder, current_store()
                )
                if problem:
                    progress.warning(f"tracking: {problem}; complete it with: bench track --all")
    return StudyResult(plan, result, loop.parent, is_leader)


def summary_of(result: "StudySummary", files: list[str]) -> ParentSummary:
    """Return the summary for the study's run in MLflow."""
    return ParentSummary([], result.text(), files, "FINISHED" if result.is_over else "KILLED")


def run_cluster_job(plain: Mapping[str, Json], shared: bool, until: float | None) -> None:
    """Run a study with one worker; the task of a cluster job.

    Parameters
    ----------
    plain : mapping
        The plan.
    shared : bool
        Whether the storage is the database that BENCH_STORAGE names.
    until : float or None
        Seconds since the epoch after which no trial begins.
    """
    # standard error goes into a log file
    sys.stderr = Redacting(sys.stderr)
    url = os.environ.get(STORAGE) if shared else None
    if shared and not url:
        raise WorkError(f"the job was started without the environment's {STORAGE}, which has the storage")
    _search(StudyPlan.from_json(plain), ExecutionOptions(url), until, Progress(), is_job=True)


def _train_winners(
    studies: Sequence[StudyResult], options: ExecutionOptions, progress: Progress
) -> multirun.MultirunResult:
    """Train every winner on fresh seeds: the best of many trials is best partly by luck."""
    from bench.searching.study_files import BEST, configuration_text

    first = studies[0].plan
    for each in studies:
        assert each.result.best
        # another command may have led that study and still be writing
        write_text(each.plan.folder / BEST, configuration_text(each.result, each.result.best))
    execution_settings = first.base.harness.model_dump(
        include={"experiment", "device", "data_root", "tracking"}
    )
    planned = multirun.plan(
        [each.plan.variant for each in studies],
        first.file.fresh_seeds,
        {name: value for name, value in execution_settings.items() if value is not None}
        | {"figures": first.draws},
        {each.plan.variant: each.plan.folder / BEST for each in studies},
        options.workers,
        progress,
    )
    rule = "; ".join(goal.text for goal in first.goals)
    note = (
        f"winners of {first.file.trials} trials a variant on seeds {', '.join(map(str, first.file.seeds))} "
        f"({rule}; {first.file.sampler.name}), trained again on seeds "
        f"{', '.join(map(str, first.file.fresh_seeds))}, which no trial saw"
    )
    trained = multirun.train(replace(planned, notes=(note,)), options.workers, progress)
    trained.raise_failures()
    return trained
