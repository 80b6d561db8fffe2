"""Many runs from one command: the product of variants and seeds, each trained by a process of its own.

Runs of one seed are paired: the same data order, the same evaluation latents, the same z where
prior and size agree. Whatever is complete is not trained again, whatever was cut off goes on.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.configuration import CIRCUMSTANCES, Configuration, Harness, resolve
from bench.datasets import require_dataset
from bench.execution.aggregate import Aggregate, aggregate
from bench.execution.jobs import Job
from bench.execution.progress import Progress
from bench.execution.setup import set_up
from bench.execution.tracked_run import tracking
from bench.runs import environment, run_folder
from bench.runs.damaged_runs import pass_over
from bench.runs.generator import configuration_of
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.atomic_files import write_text
from bench.system.errors import RequestError, WorkError
from bench.system.interruption import stop_on_signal
from bench.system.leftovers import remove_leftovers
from bench.tracking.messages import ParentRun, ParentSummary
from bench.tracking.store_choice import current_store

DESCRIPTION, SUMMARY = "multirun.json", "summary.json"
POLL_SECONDS = 0.2
# knobs that have an option of their own on the command line
OPTIONS = ("variant", "dataset", "preset", "steps", "epochs", "seed", "device", "experiment")


@dataclass(frozen=True)
class Multirun:
    """Runs that belong together.

    Attributes
    ----------
    configurations : tuple of Configuration
        One a run, resolved, seed by seed so that early results already compare variants.
    data_hash : str
        Hash of the samples that all are trained on.
    words : dict
        By variant: the configuration as the user gave it, as words of the command line, without variant
        and seed.
    circumstances : tuple of str
        Those of the words that a run which goes on may have otherwise than it was begun with.
    notes : tuple of str
        Lines below the table.
    """

    configurations: tuple[Configuration, ...]
    data_hash: str
    words: dict[str, tuple[str, ...]]
    circumstances: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def experiment(self) -> str:
        """The MLflow experiment that all runs are recorded in."""
        return self.configurations[0].harness.experiment

    @property
    def hash(self) -> str:
        """Identity: what is computed, on what data, recorded where; workers and devices do not matter."""
        parts = sorted(configuration.hash() for configuration in self.configurations)
        return hashlib.sha256("\n".join([*parts, self.data_hash, self.experiment]).encode()).hexdigest()

    @property
    def variants(self) -> list[str]:
        """Names of the variants, as they were given."""
        return list(dict.fromkeys(c.variant.name for c in self.configurations))

    @property
    def name(self) -> str:
        """Variants, data and seeds in words."""
        seeds = list(dict.fromkeys(c.harness.seed for c in self.configurations))
        data = self.configurations[0].harness.dataset.partition(":")[0]
        return f"{', '.join(self.variants)} on {data}, seeds {', '.join(map(str, seeds))}"

    @property
    def folder(self) -> Path:
        """Where its table, figures and logs lie."""
        return paths.results() / "multiruns" / self.hash[:12]

    def describe(self) -> dict[str, Any]:
        """Identity in plain values, for multirun.json and the tracking store."""
        flats = [configuration.flat() for configuration in self.configurations]
        shared = {k: v for k, v in flats[0].items() if all(k in f and f[k] == v for f in flats)}
        return {
            "hash": self.hash,
            "name": self.name,
            "experiment": self.experiment,
            "config": shared,
            "data_hash": self.data_hash,
            "command": environment.command(),
            "members": [
                {"variant": f["variant"], "seed": f["seed"], "config_hash": c.hash()}
                for f, c in zip(flats, self.configurations, strict=True)
            ],
        }

    def existing(self) -> dict[str, list[tuple[RunFolder, bool]]]:
        """Runs of these configurations, data and experiment by configuration hash, oldest first.

        Each with whether it is over; damaged ones are left out, with a warning.
        """
        found: dict[str, list[tuple[RunFolder, bool]]] = {c.hash(): [] for c in self.configurations}
        surveyed = run_folder.survey()
        damaged = dict(surveyed.damaged)
        for run, described in surveyed.runs:
            if (described.data.hash, described.config.experiment) == (
                self.data_hash,
                self.experiment,
            ):
                # not the recorded hash: knobs that came later had their defaults
                alike = found.get(configuration_of(described).hash())
                if alike is None:
                    continue
                try:
                    alike.append((run, run.is_over()))
                except WorkError as error:
                    damaged[run.record_path] = str(error)
        pass_over(damaged)
        return found

    def complete(self) -> list[RunFolder]:
        """The newest complete run of each configuration that has one."""
        runs = [[run for run, is_over in runs if is_over] for runs in self.existing().values()]
        return [complete[-1] for complete in runs if complete]


def plan(
    variants: Sequence[str],
    seeds: Sequence[int],
    given: Mapping[str, Any],
    file: Path | Mapping[str, Path] | None,
    workers: int,
    progress: Progress,
) -> Multirun:
    """Resolve every run and try what it needs: data, networks, a judge; creates nothing but caches.

    Parameters
    ----------
    variants, seeds : sequence
        Every variant is trained with every seed.
    given : mapping
        Other knobs, as for :func:`bench.configuration.resolve`.
    file : Path or mapping, optional
        A YAML file of configuration keys, or one for each variant.
    workers : int
        Runs at a time; the machine's cores are divided among them unless `threads` says otherwise.
    progress : Progress
        Told what is fetched.

    Raises
    ------
    RequestError
        If a run's configuration is not possible.
    WorkError
        If data or what judging needs is missing.
    """
    chosen = configurations(variants, seeds, given, file)
    settings = dict(given)
    if workers > 1 and any(configuration.harness.threads == 0 for configuration in chosen):
        settings["threads"] = max(1, (os.cpu_count() or 1) // workers)
        chosen = configurations(variants, seeds, settings, file)
    first: dict[str, Configuration] = {}
    hashes = set()
    for configuration in chosen:
        if configuration.variant.name not in first:
            setup = set_up(configuration, progress)
            first[configuration.variant.name] = setup.configuration
            hashes.add(setup.array.hash)
    resolved = [first[c.variant.name].with_values(seed=c.harness.seed) for c in chosen]
    if len(hashes) > 1:
        kinds = ", ".join(f"{name} {_data(c.harness)}" for name, c in first.items())
        raise RequestError(
            f"runs that are compared need the same data, but their presets differ ({kinds}): "
            "set dataset, image_size and channels for all"
        )
    words = words_of(settings)
    # not the threads that this number of workers gives: a run goes on with those that it began with
    circumstances = words_of({name: value for name, value in given.items() if name in CIRCUMSTANCES})
    files = {name: file_of(file, name) for name in variants}
    given_words = {
        name: (*(["--config", str(path.resolve())] if path else []), *words) for name, path in files.items()
    }
    return Multirun(tuple(resolved), hashes.pop(), given_words, tuple(circumstances))


def words_of(settings: Mapping[str, Any]) -> list[str]:
    """Settings as words of the command line."""
    words: list[str] = []
    for name, value in settings.items():
        words += [f"--{name}", str(value)] if name in OPTIONS else ["--set", f"{name}={value}"]
    return words


def _data(harness: Harness) -> str:
    """What a run is trained on, in words."""
    if harness.image_size is None:
        return harness.dataset
    return f"{harness.dataset} at {harness.image_size} px x {harness.channels}"


def file_of(file: Path | Mapping[str, Path] | None, variant: str) -> Path | None:
    """The configuration file of a variant."""
    return file[variant] if isinstance(file, Mapping) else file


def configurations(
    variants: Sequence[str],
    seeds: Sequence[int],
    given: Mapping[str, Any],
    file: Path | Mapping[str, Path] | None,
) -> list[Configuration]:
    """The configurations of the product, seed by seed; RequestError if one is not possible."""
    chosen = [
        resolve(dict(given) | {"variant": variant, "seed": seed}, file_of(file, variant))
        for seed in seeds
        for variant in variants
    ]
    for configuration in chosen:
        require_dataset(configuration.harness.dataset)
    return chosen


def parent_run(description: Mapping[str, Any]) -> ParentRun:
    """Return the MLflow run above those of a multirun (described as in multirun.json)."""
    members = description["members"]
    variants = dict.fromkeys(member["variant"] for member in members)
    seeds = dict.fromkeys(str(member["seed"]) for member in members)
    return ParentRun(
        experiment=description["experiment"],
        name=description["name"],
        identity=("multirun.hash", description["hash"]),
        tags={"data.hash": description["data_hash"]},
        params=description["config"] | {"variant": ", ".join(variants), "seed": ", ".join(seeds)},
        command=list(description["command"]),
    )


class Stopped(Exception):
    """The user stopped the runs; running the command again continues them."""


@dataclass(frozen=True)
class MultirunResult:
    """How a multirun ended.

    Attributes
    ----------
    runs : list of RunFolder
        The complete runs.
    failed : dict
        Label to problem, for the runs that failed or diverged this time.
    aggregate : Aggregate
        What the complete runs amount to.
    parent : str or None
        Id of the MLflow run above them.
    """

    runs: list[RunFolder]
    failed: dict[str, str]
    aggregate: Aggregate
    parent: str | None

    def check(self) -> None:
        """Raise WorkError if a run failed or diverged."""
        if self.failed:
            told = "; ".join(f"{label}: {problem}" for label, problem in self.failed.items())
            raise WorkError(f"{len(self.failed)} failed: {told}; the others are complete")


def train(multirun: Multirun, workers: int, progress: Progress) -> MultirunResult:
    """Train what is not complete, several runs at a time, then aggregate all.

    Parameters
    ----------
    multirun : Multirun
        What to train.
    workers : int
        Runs at a time, at least 1.
    progress : Progress
        Told when a run ends.

    Raises
    ------
    RequestError
        If another process carries the same multirun out.
    Stopped
        If the user asked; every run in training has written a checkpoint.
    """
    with hold(multirun), tracking(multirun.configurations[0].harness.tracking, progress) as tracker:
        store = current_store()
        parent = tracker.open_parent(parent_run(multirun.describe()), store) if tracker else None
        failed = _train_all(multirun, workers, progress, parent)
        runs = multirun.complete()
        aggregated = aggregate(
            [run.id for run in runs], multirun.folder, multirun.variants[0], multirun.notes
        )
        summary = ParentSummary(
            runs=[run.id for run in runs],
            metrics=aggregated.metrics,
            step=len(runs),
            files=aggregated.files,
            status="FAILED" if failed else "FINISHED",
        )
        write_text(multirun.folder / SUMMARY, json.dumps(asdict(summary), indent=2) + "\n")
        if tracker and parent and (problem := tracker.finish_parent(parent, summary, multirun.folder, store)):
            progress.warning(f"tracking: {problem}; complete it with: bench track --all")
    return MultirunResult(runs, failed, aggregated, parent)


def _train_all(multirun: Multirun, workers: int, progress: Progress, parent: str | None) -> dict[str, str]:
    waiting = _jobs(multirun)
    total = len(multirun.configurations)
    done = total - len(waiting)
    progress.info(f"{total} runs: {done} complete, {len(waiting)} to train, {workers} at a time")
    training: list[Job] = []
    failed: dict[str, str] = {}
    with stop_on_signal() as stop_requested:
        try:
            while waiting or training:
                for job in [job for job in waiting if job.can_start()][: workers - len(training)]:
                    words = multirun.words[job.configuration.variant.name]
                    job.start(multirun.circumstances if job.cut_off else words, parent)
                    waiting.remove(job)
                    training.append(job)
                time.sleep(POLL_SECONDS)
                if stop_requested():
                    raise Stopped
                for job in [job for job in training if job.ended()]:
                    training.remove(job)
                    done += 1
                    if problem := job.problem():
                        failed[job.label] = problem
                    progress.info(f"[{done}/{total}] {job.label}: {problem or 'done'}")
        finally:
            for job in training:
                job.stop()
            for job in training:
                if job.process:
                    job.process.wait()
    return failed


def _jobs(multirun: Multirun) -> list[Job]:
    """What is not complete."""
    logs = multirun.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    existing = multirun.existing()
    jobs = []
    for configuration in multirun.configurations:
        runs = existing[configuration.hash()]
        if not any(is_over for _, is_over in runs):
            log = logs / f"{configuration.variant.name}-s{configuration.harness.seed}.log"
            jobs.append(Job(configuration, runs[-1][0] if runs else None, log))
    return jobs


def hold(multirun: Multirun) -> FileLock:
    """The lock of the process that carries a multirun out, taken.

    Raises
    ------
    RequestError
        If another process has it.
    """
    multirun.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(multirun.folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RequestError(f"another process is carrying out these runs ({multirun.name})") from None
    remove_leftovers(multirun.folder)
    described = multirun.describe()
    write_text(multirun.folder / DESCRIPTION, json.dumps(described, indent=2) + "\n")
    return lock
