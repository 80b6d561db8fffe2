"""What a configuration becomes on this machine: data, networks and a judge, ready to train."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from bench import datasets
from bench.configuration import MOST_STEPS, Configuration, Harness
from bench.execution.judge_of_run import build_judge, choose_extractor
from bench.execution.progress import Progress
from bench.execution.step_counts import compute_options_of, micro_batches_of, plan_of, steps_of_epochs
from bench.health import verdict
from bench.health.stopping import StopRule
from bench.judging import extractors
from bench.judging.judge import Judge
from bench.judging.no_judge import NoJudge
from bench.runs import environment, record
from bench.runs.data_location import load_configured, load_configured_held_out
from bench.runs.description import (
    HealthRules,
    MetricDeclaration,
    NetworkDescription,
    ResolvedConfiguration,
    RunDescription,
    StudyTrial,
    TrainingData,
)
from bench.runs.environment import Environment
from bench.runs.record import best_checkpoints
from bench.runs.run_folder import Origin
from bench.system import paths
from bench.system.errors import RequestError, WorkError
from bench.system.json_values import JsonScalar
from bench.system.leftovers import remove_leftovers
from bench.system.ranks import ALONE, Ranks
from bench.tracking.store_choice import current_store, recorded_name
from bench.training import memory
from bench.training.device import prepare
from bench.training.history import History
from bench.training.trainer import NO_RUN, Callback, Trainer
from variants.base import Variant, parameter_count
from variants.noise import derive_seed
from variants.scalars import TrainingScalar

# of the training samples in run.json; the judge compares with the images as they are
FLIPPED = "; mirrored from left to right in half of the images of every batch, in none of the reference"


@dataclass(frozen=True)
class TrainingSetup:
    """A resolved configuration with data, networks and judge on this machine.

    Attributes
    ----------
    configuration : Configuration
        The resolved configuration.
    array : DataArray
        Training samples.
    batches : Batches
        Batches of the training samples.
    variant : Variant
        Networks and losses, on the device.
    judge : Judge or NoJudge
        Computes metrics of samplers; a :class:`NoJudge` with `extractor: none`.
    real : dict
        Metrics of held-out real samples; empty without a judge.
    device : torch.device
        Where to compute.
    scalars : tuple of TrainingScalar
        The declared scalars, by which checkpoints are selected, learning rates are steered and stuck scalars
        are found.
    health_rules : HealthRules
        Rules that determine the health of runs.
    """

    configuration: Configuration
    array: datasets.DataArray
    batches: datasets.Batches
    variant: Variant
    judge: Judge | NoJudge
    real: dict[str, float]
    device: torch.device
    scalars: tuple[TrainingScalar, ...]
    health_rules: HealthRules = verdict.RULES

    def describe(
        self, run_id: str, name: str, parent: str | None = None, study: StudyTrial | None = None
    ) -> RunDescription:
        """Describe a run that begins now.

        Parameters
        ----------
        run_id, name : str
            The run's id and name.
        parent : str, optional
            Id of the MLflow run above it.
        study : StudyTrial, optional
            The trial that the run belongs to.
        """
        return RunDescription(
            id=run_id,
            name=name,
            # runs of one second have an order too: `last` is the newest
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            config=ResolvedConfiguration.model_validate(self.configuration.flat()),
            config_hash=self.configuration.hash(),
            data=TrainingData(
                name=self.array.name,
                hash=self.array.hash,
                transform=self.array.transform + (FLIPPED if self.configuration.harness.flip else ""),
                count=self.array.count,
                classes=self.array.class_names,
                labels_hash=self.array.labels_hash,
            ),
            real_batches_per_step=self.real_batches_per_step(),
            scalars=self.scalars,
            metric=self.judge.metric,
            protocol=self.judge.protocol,
            metrics={
                name: MetricDeclaration(title=metric.title, better=metric.better, settings=metric.settings)
                for name, metric in self.judge.metrics.items()
            },
            paired=self.judge.paired,
            real=self.real,
            health_rules=self.health_rules,
            networks={
                name: NetworkDescription(
                    label=network.label or name, parameters=parameter_count(network.module)
                )
                for name, network in self.variant.networks().items()
            },
            environment=environment.facts(self.judge.ranks.count),
            tracking=recorded_name(current_store()) if self.configuration.harness.tracking else None,
            command=environment.command(),
            parent=parent,
            study=study,
        )

    def real_batches_per_step(self) -> float:
        """Return the new real batches of a step, in the mean over the planned steps."""
        steps = self.configuration.harness.steps
        assert steps is not None
        return self.variant.real_batches(steps) / steps

    def session(
        self,
        machine: Environment,
        ranks: Ranks,
        step: int = 0,
        execution_settings: Mapping[str, JsonScalar] | None = None,
    ) -> record.Session:
        """Return a session that begins after a step.

        Parameters
        ----------
        machine : Environment
            Result of :func:`bench.runs.environment.facts`.
        ranks : Ranks
            The processes that train.
        step : int
            Last step before the session.
        execution_settings : mapping, optional
            Settings outside the run's identity in which the session differs from run.json.
        """
        return record.Session(
            step=step,
            commit=machine.commit,
            torch=machine.packages["torch"],
            threads=machine.threads,
            cpu_capability=machine.cpu_capability,
            device=str(self.device) if self.device.type == "cpu" else f"{self.device} ({machine.gpu})",
            ranks=ranks.count,
            micro_batches=self.configuration.harness.micro_batches,
            execution_settings=dict(execution_settings or {}),
        )

    def require_same_data(self, description: RunDescription) -> None:
        """Raise WorkError if the data of a run changed since it began: samples, or labels that it uses."""
        changed = [
            what
            for what, now, before in (
                ("data", self.array.hash, description.data.hash),
                ("labels", self.array.labels_hash, description.data.labels_hash),
            )
            if now != before and (what == "data" or self.variant.conditional)
        ]
        if changed:
            raise WorkError(
                f"the {changed[0]} of run {description.id} changed since it began: "
                f"{self.array.name} has another hash"
            )

    def batch_text(self, ranks: Ranks) -> str:
        """Return a text such as ``batch of 8 in 2 micro-batches of 4 on 2 processes``."""
        harness = self.configuration.harness
        text, count = f"batch of {harness.batch_size}", harness.micro_batches or 1
        if count > 1:
            text += f" in {count} micro-batches of {harness.batch_size // count}"
        return text + (f" on {ranks.count} processes" if ranks.count > 1 else "")

    def with_recorded_rules(self, description: RunDescription) -> "TrainingSetup":
        """Return the setup with the real scores, scalars and rules of health that a run began with."""
        return replace(
            self,
            real=dict(description.real),
            scalars=description.scalars,
            health_rules=description.health_rules,
        )

    def trainer(
        self,
        writer: record.RecordWriter,
        checkpoints: Path,
        history: History,
        callbacks: list[Callback],
        stop_requested: Callable[[], bool],
        ranks: Ranks = ALONE,
        origin: Origin = NO_RUN,
    ) -> Trainer:
        """Return a trainer that continues `history` and writes to `writer` and the folder `checkpoints`."""
        return Trainer(
            variant=self.variant,
            batches=self.batches,
            plan=plan_of(self.configuration.harness),
            hyperparameters=self.configuration.hyperparameters,
            device=self.device,
            writer=writer,
            folder=checkpoints,
            measure=self.judge.measure,
            lower_is_better=self.judge.metric,
            history=history,
            callbacks=callbacks,
            stop_requested=stop_requested,
            options=compute_options_of(self.configuration.harness, ranks),
            origin=origin,
            scalars=self.scalars,
        )

    def best(self, recorded: record.Record) -> dict[str, int | float]:
        """Return the best values of a record and their steps, as ``fid_best`` and ``fid_best_step``."""
        found: dict[str, int | float] = {}
        metric = self.judge.metric
        bests = best_checkpoints(recorded.checkpoints, recorded.evaluations, metric, self.scalars)
        for name, best in bests.items():
            found |= {f"{name}_best": best.value, f"{name}_best_step": best.checkpoint.step}
        return found

    @property
    def stop_rule(self) -> StopRule:
        """When a collapse ends a run of this setup."""
        harness = self.configuration.harness
        assert harness.steps is not None
        return StopRule(harness.stop_on, harness.stop_after, harness.steps)

    def health(self, recorded: record.Record, diverged_at: int | None) -> str:
        """Return the health tag of a whole record."""
        evaluations = [(evaluation.step, evaluation.values) for evaluation in recorded.evaluations]
        bounded = [
            verdict.Bounded(scalar.name, recorded.series(scalar.name), scalar.stuck_at)
            for scalar in self.scalars
            if scalar.stuck_at
        ]
        return verdict.verdict(evaluations, self.real, bounded, diverged_at, self.health_rules)


def set_up(
    configuration: Configuration,
    progress: Progress,
    ranks: Ranks = ALONE,
    *,
    stand_in: bool = True,
    distance: str = "",
    with_held_out: bool = False,
) -> TrainingSetup:
    """Load the data, build the networks and compute the reference statistics; creates only caches.

    Parameters
    ----------
    configuration : Configuration
        What to train or evaluate.
    progress : Progress
        Prints downloads.
    ranks : Ranks
        The processes that train together.
    stand_in : bool
        Whether a shipped network judges where the weights of the wanted one are missing; a line says so.
    distance : str
        Name of the Frechet distance of a run that is resumed or repeated: its network judges, whichever the
        knob `extractor` would take today.
    with_held_out : bool
        Whether the judge also measures what needs held-out samples; evaluations in training do not.

    Raises
    ------
    RequestError
        If the networks cannot be built at the configured size or do not fit into memory, if the variant is
        conditional and the data set has no labels, if the batch is larger than the data set, or if it cannot
        be split into the micro-batches.
    WorkError
        If data, or weights for the evaluation that no shipped network may stand in for, are missing.
    """
    harness = configuration.harness
    remove_leftovers(paths.cache())
    device = prepare(harness)
    require_names(harness)
    shape = datasets.sample_shape(harness.dataset, harness.image_size, harness.channels)
    channels = None if harness.image_size is None else shape[0]
    variant = _build_variant(configuration, shape, device, ranks)
    # before the images are decoded, which takes minutes: weights may be missing
    extractor = choose_extractor(
        harness, channels, device, progress, ranks, stand_in=stand_in, distance=distance
    )
    array = load_configured(harness, progress.info)
    batches = datasets.Batches(
        array,
        batch_size=harness.batch_size,
        seed=harness.seed,
        device=device,
        drop_last=harness.drop_last,
        flip=harness.flip,
    )
    micro_batches = micro_batches_of(harness, variant, batches, ranks)
    steps = harness.steps or steps_of_epochs(variant, (harness.epochs or 0) * batches.batches_per_epoch)
    if steps > MOST_STEPS:
        raise RequestError(f"epochs: {harness.epochs} are {steps:,} steps: allowed are {MOST_STEPS:,}")
    class_names = array.class_names if variant.conditional else ()
    outside = load_configured_held_out(harness, progress.info) if with_held_out else None
    judge, real = build_judge(extractor, harness, array, class_names, progress, ranks, outside)
    resolved = configuration.with_values(
        steps=steps, epochs=None, channels=channels, micro_batches=micro_batches
    )
    setup = TrainingSetup(resolved, array, batches, variant.to(device), judge, real, device, variant.scalars)
    if ranks.first and (words := setup.stop_rule.caution(harness.eval_every)):
        progress.warning(words)
    return setup


def require_names(harness: Harness) -> None:
    """Raise RequestError if there is no data set or no extractor of the configured name."""
    datasets.require_dataset(harness.dataset)
    if harness.extractor is not None:
        extractors.require_extractor(harness.extractor, harness.dataset)


def _build_variant(
    configuration: Configuration, shape: tuple[int, ...], device: torch.device, ranks: Ranks
) -> Variant:
    """Check the available memory and build the networks on the CPU."""
    classes = configuration.classes()
    try:
        memory.require_memory(configuration, shape, device, ranks.count, classes)
        # initial weights have a random stream of their own, on the CPU for every device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(configuration.harness.seed, "initial weights"))
            return configuration.variant(configuration.hyperparameters, shape, classes)
    except ValueError as error:
        raise RequestError(str(error)) from None
