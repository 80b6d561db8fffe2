"""Multiruns: every variant is trained with every seed, each run in a process of its own.

Runs with the same seed are paired: same data order, same evaluation latents, and same z if prior and size
are the same. Complete runs are not trained again; interrupted runs are resumed.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench.configuration import EXECUTION_SETTINGS, Configuration, Harness, resolve
from bench.execution.aggregate import Aggregate, aggregate
from bench.execution.jobs import Job, run_jobs
from bench.execution.opening import judge_text, opening_of_many
from bench.execution.progress import Progress
from bench.execution.setup import require_names, set_up
from bench.execution.tracked_run import tracking
from bench.runs import environment, run_folder
from bench.runs.damaged_runs import warn_of_damaged
from bench.runs.generator import configuration_of
from bench.runs.multirun_description import MULTIRUN_FILE, MultirunDescription, MultirunMember
from bench.runs.run_folder import RunFolder
from bench.runs.run_names import multirun_name
from bench.system import paths
from bench.system.atomic_files import write_text
from bench.system.errors import RequestError, WorkError
from bench.system.leftovers import remove_leftovers
from bench.tracking.messages import ParentRun, ParentSummary
from bench.tracking.store_choice import current_store

SUMMARY = "summary.json"
# knobs with an option of their own on the command line
OPTIONS = ("variant", "dataset", "preset", "steps", "epochs", "seed", "device", "experiment")


@dataclass(frozen=True)
class Multirun:
    """Runs of several variants and seeds.

    Attributes
    ----------
    configurations : tuple of Configuration
        Resolved configuration of each run, ordered by seed so that early results already compare variants.
    data_hash : str
        Hash of the training samples of all runs.
    words : dict
        Command-line options of the user's configuration by variant, without variant and seed.
    execution_settings : tuple of str
        The options that may change when a run is resumed.
    judges : tuple of str
        Metric and protocol of the judge of each variant.
    notes : tuple of str
        Lines below the table.
    """

    configurations: tuple[Configuration, ...]
    data_hash: str
    words: dict[str, tuple[str, ...]]
    execution_settings: tuple[str, ...]
    judges: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Multirun({self.name}: {len(self.configurations)} runs)"

    @property
    def experiment(self) -> str:
        """MLflow experiment of all runs."""
        return self.configurations[0].harness.experiment

    @property
    def hash(self) -> str:
        """Hash of configurations, data and experiment; workers and devices do not change it."""
        parts = sorted(configuration.hash() for configuration in self.configurations)
        return hashlib.sha256("\n".join([*parts, self.data_hash, self.experiment]).encode()).hexdigest()

    @property
    def variants(self) -> list[str]:
        """Names of the variants, in the order of the command."""
        return list(dict.fromkeys(c.variant.name for c in self.configurations))

    @property
    def name(self) -> str:
        """Variants, data set and seeds as text."""
        seeds = list(dict.fromkeys(c.harness.seed for c in self.configurations))
        variants = list(dict.fromkeys(c.variant for c in self.configurations))
        return multirun_name(variants, self.configurations[0].harness.dataset, seeds)

    @property
    def folder(self) -> Path:
        """Folder of table, figures and logs."""
        return paths.multiruns() / self.hash[:12]

    def describe(self) -> MultirunDescription:
        """Return the description for multirun.json and the tracking store."""
        flats = [configuration.flat() for configuration in self.configurations]
        shared = {k: v for k, v in flats[0].items() if all(k in f and f[k] == v for f in flats)}
        return MultirunDescription(
            hash=self.hash,
            name=self.name,
            experiment=self.experiment,
            config=shared,
            data_hash=self.data_hash,
            command=environment.command(),
            members=[
                MultirunMember(variant=c.variant.name, seed=c.harness.seed, config_hash=c.hash())
                for c in self.configurations
            ],
        )

    def existing(self) -> dict[str, list[tuple[RunFolder, bool]]]:
        """Return existing runs and whether each is over, by configuration hash, oldest first.

        Damaged runs are left out with a warning.
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
        warn_of_damaged(damaged)
        return found

    def complete(self) -> list[RunFolder]:
        """Return the newest complete run of each configuration that has one."""
        runs = [[run for run, is_over in runs if is_over] for runs in self.existing().values()]
        return [complete[-1] for complete in runs if complete]


def plan(
    variants: Sequence[str],
    seeds: Sequence[int],
    given: Mapping[str, object],
    file: Path | Mapping[str, Path] | None,
    workers: int,
    progress: Progress,
) -> Multirun:
    """Resolve every run and check data, networks and judge; creates only caches.

    Parameters
    ----------
    variants, seeds : sequence
        Every variant is trained with every seed.
    given : mapping
        Other knobs, as for :func:`bench.configuration.resolve`.
    file : Path or mapping, optional
        A YAML file of configuration keys, or one per variant.
    workers : int
        Runs at a time; they share the machine's cores equally unless `threads` is set.
    progress : Progress
        Prints downloads.

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
    hashes, judges = set(), []
    for configuration in chosen:
        if configuration.variant.name not in first:
            setup = set_up(configuration, progress)
            first[configuration.variant.name] = setup.configuration
            hashes.add(setup.array.hash)
            judges.append(judge_text(setup.judge.metric, setup.judge.protocol))
    resolved = [first[c.variant.name].with_values(seed=c.harness.seed) for c in chosen]
    if len(hashes) > 1:
        kinds = ", ".join(f"{name} {_data(c.harness)}" for name, c in first.items())
        raise RequestError(
            f"runs that are compared need the same data, but their presets differ ({kinds}): "
            "set dataset, image_size and channels for all"
        )
    words = words_of(settings)
    # without the threads that follow from `workers`: a resumed run keeps its number of threads
    execution_settings = words_of(
        {name: value for name, value in given.items() if name in EXECUTION_SETTINGS}
    )
    files = {name: file_of(file, name) for name in variants}
    given_words = {
        name: (*(["--config", str(path.resolve())] if path else []), *words) for name, path in files.items()
    }
    return Multirun(tuple(resolved), hashes.pop(), given_words, tuple(execution_settings), tuple(judges))


def words_of(settings: Mapping[str, object]) -> list[str]:
    """Return settings as options of the command line."""
    words: list[str] = []
    for name, value in settings.items():
        words += [f"--{name}", str(value)] if name in OPTIONS else ["--set", f"{name}={value}"]
    return words


def _data(harness: Harness) -> str:
    """Return the data set and the size of its images as text."""
    if harness.image_size is None:
        return harness.dataset
    return f"{harness.dataset} at {harness.image_size} px x {harness.channels}"


def file_of(file: Path | Mapping[str, Path] | None, variant: str) -> Path | None:
    """Return the configuration file of a variant."""
    return file[variant] if isinstance(file, Mapping) else file


def configurations(
    variants: Sequence[str],
    seeds: Sequence[int],
    given: Mapping[str, object],
    file: Path | Mapping[str, Path] | None,
) -> list[Configuration]:
    """Return the configuration of every variant with every seed; RequestError if one is not possible."""
    chosen = [
        resolve(dict(given) | {"variant": variant, "seed": seed}, file_of(file, variant))
        for seed in seeds
        for variant in variants
    ]
    for configuration in chosen:
        require_names(configuration.harness)
    return chosen


def parent_run(description: MultirunDescription) -> ParentRun:
    """Return the parent run in MLflow of a multirun."""
    several = {"variant": ", ".join(description.variants), "seed": ", ".join(map(str, description.seeds))}
    return ParentRun(
        experiment=description.experiment,
        name=description.name,
        identity=("multirun.hash", description.hash),
        tags={"data.hash": description.data_hash},
        params={**description.config, **several},
        command=description.command,
    )


@dataclass(frozen=True)
class MultirunResult:
    """Result of a multirun.

    Attributes
    ----------
    runs : list of RunFolder
        The complete runs.
    failed : dict
        Failures by label, of the runs that failed or diverged in this call.
    aggregate : Aggregate
        Summary of the complete runs.
    parent : str or None
        Id of their parent run in MLflow.
    """

    runs: list[RunFolder]
    failed: dict[str, str]
    aggregate: Aggregate
    parent: str | None

    def __repr__(self) -> str:
        return f"MultirunResult({len(self.runs)} complete runs, {len(self.failed)} failed)"

    def raise_failures(self) -> None:
        """Raise WorkError if a run failed or diverged."""
        if self.failed:
            failures = "; ".join(f"{label}: {failure}" for label, failure in self.failed.items())
            raise WorkError(f"{len(self.failed)} failed: {failures}; the others are complete")


def train(multirun: Multirun, workers: int, progress: Progress) -> MultirunResult:
    """Train the incomplete runs, several at a time, then aggregate all runs.

    Parameters
    ----------
    multirun : Multirun
        The runs.
    workers : int
        Runs at a time, at least 1.
    progress : Progress
        Prints the end of each run.

    Raises
    ------
    RequestError
        If another process trains the same multirun.
    Stopped
        If the user stopped the command; every run has written a checkpoint.
    """
    with hold(multirun), tracking(multirun.configurations[0].harness.tracking, progress) as tracker:
        store = current_store()
        parent = tracker.open_parent(parent_run(multirun.describe()), store) if tracker else None
        progress.info(
            opening_of_many(multirun.name, multirun.folder, multirun.configurations, multirun.judges)
        )
        total = len(multirun.configurations)
        failed = run_jobs(_jobs(multirun, parent), total, workers, progress)
        runs = multirun.complete()
        aggregated = aggregate(
            [run.id for run in runs], multirun.folder, multirun.variants[0], multirun.notes
        )
        summary = ParentSummary(
            runs=[run.id for run in runs],
            text=aggregated.text,
            files=aggregated.files,
            status="FAILED" if failed else "FINISHED",
        )
        write_text(multirun.folder / SUMMARY, json.dumps(asdict(summary), indent=2) + "\n")
        if tracker and parent and (problem := tracker.finish_parent(parent, summary, multirun.folder, store)):
            progress.warning(f"tracking: {problem}; complete it with: bench track --all")
    return MultirunResult(runs, failed, aggregated, parent)


def _jobs(multirun: Multirun, parent: str | None) -> list[Job]:
    """Return the runs that are not complete."""
    existing = multirun.existing()
    jobs = []
    for configuration in multirun.configurations:
        runs = existing[configuration.hash()]
        if any(is_over for _, is_over in runs):
            continue
        name, seed = configuration.variant.name, configuration.harness.seed
        interrupted = runs[-1][0] if runs else None
        if interrupted:
            options = ["--resume", interrupted.id, *multirun.execution_settings]
        else:
            options = ["--variant", name, "--seed", str(seed), *multirun.words[name]]
            options += ["--parent", parent] if parent else []
        log = multirun.folder / "logs" / f"{name}-s{seed}.log"
        jobs.append(Job(f"{name} seed {seed}", options, log, interrupted))
    return jobs


def hold(multirun: Multirun) -> FileLock:
    """Acquire the lock of a multirun; RequestError if another process holds it."""
    multirun.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(multirun.folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RequestError(f"another process is training these runs ({multirun.name})") from None
    remove_leftovers(multirun.folder)
    write_text(multirun.folder / MULTIRUN_FILE, multirun.describe().model_dump_json(indent=2) + "\n")
    return lock
