"""The plan of a study: resolved configuration, search space, objectives and names."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.configuration import (
    EXECUTION_SETTINGS,
    Configuration,
    knobs_of,
    merge,
    resolve,
    variant_named,
)
from bench.execution.progress import Progress
from bench.execution.setup import require_names, set_up
from bench.execution.step_counts import plan_of
from bench.judging.judge import Judge
from bench.judging.metrics import is_metric
from bench.judging.metrics.registry import FRECHET_DISTANCE
from bench.searching.objective import Goal, goal_of
from bench.searching.space import SearchSpace, space_of
from bench.searching.study_file import Objective, StudyFile, check_settings, named_in_errors
from bench.system import paths
from bench.system.errors import RequestError, shown, unknown
from bench.system.json_values import Json, JsonScalar
from bench.tracking.messages import ParentRun
from bench.training.cost import cost


@dataclass(frozen=True)
class StudyDescription:
    """What a study is, in plain values: for study.json, ``--dry-run`` and the tracking store.

    Attributes
    ----------
    name, experiment, hash, data_hash : str
        As :class:`StudyPlan` has them.
    config : dict
        The configuration that all trials share.
    search : dict
        Name to range of each searched value, as text.
    objectives : list of str
        The objectives, as text.
    file : dict
        The content of the study file.
    """

    name: str
    experiment: str
    hash: str
    data_hash: str
    config: dict[str, JsonScalar]
    search: dict[str, str]
    objectives: list[str]
    file: dict[str, Json]

    def parent_run(self, command: list[str]) -> ParentRun:
        """Return the MLflow run above the study's trials."""
        search = {f"search.{name}": text for name, text in self.search.items()}
        objectives = {f"objective.{index}": text for index, text in enumerate(self.objectives)}
        return ParentRun(
            experiment=self.experiment,
            name=self.name,
            identity=("study.hash", self.hash),
            tags={"optuna.study": self.name, "data.hash": self.data_hash},
            params={**self.config, **search, **objectives},
            command=command,
        )


@dataclass(frozen=True)
class StudyPlan:
    """The plan of a study.

    Attributes
    ----------
    title : str
        Name of the study file.
    file : StudyFile
        Content of the study file, with the caller's overrides.
    settings : dict
        Configuration keys of every run, `variant` among them, as :func:`bench.configuration.resolve`
        takes them.
    frechet_metric : str
        Name of the Frechet distance that the judge measures; empty for trials without a judge.
    data_hash : str
        Hash of the images that all runs are trained on.
    """

    title: str
    file: StudyFile
    settings: dict[str, object]
    frechet_metric: str
    data_hash: str

    def __repr__(self) -> str:
        return f"StudyPlan({self.name}: {self.file.trials} trials of {self.variant})"

    @cached_property
    def base(self) -> Configuration:
        """The configuration that every trial starts from: today's defaults, without figures per run."""
        return base_of(self.settings)

    @property
    def draws(self) -> bool:
        """Whether the study's own figures are drawn."""
        return resolve(self.settings).harness.figures

    @cached_property
    def space(self) -> SearchSpace:
        """The search space."""
        return space_of(self.base.variant, self.file.search, self.base)

    @cached_property
    def goals(self) -> tuple[Goal, ...]:
        """The objectives."""
        declared = self.base.variant.scalars
        return tuple(goal_of(each, self.frechet_metric, declared) for each in self.file.objectives)

    @property
    def variant(self) -> str:
        """Name of the variant."""
        return self.base.variant.name

    @property
    def experiment(self) -> str:
        """The MLflow experiment."""
        return self.base.harness.experiment

    @cached_property
    def hash(self) -> str:
        """Hash of search space, method and configuration, without the budget."""
        method = self.file.model_dump(mode="json", include={"objectives", "sampler", "pruner", "seeds"})
        space = [
            [d.name, d.knobs, d.scale, d.choices or (repr(d.low), repr(d.high))]
            for d in self.space.dimensions
        ]
        parts = [self.title, self.base.hash(), self.data_hash, self.experiment, self.frechet_metric]
        return hashlib.sha256(json.dumps([parts, method, space], sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """Name in Optuna's storage and below mlruns/studies: study file, variant and hash."""
        return f"{self.title}-{self.variant}-{self.hash[:6]}"

    @property
    def folder(self) -> Path:
        """Folder of the journal, table, figures and logs."""
        return paths.studies() / self.name

    @cached_property
    def evaluations(self) -> list[int]:
        """Steps of a run's evaluations; the last is the run's end."""
        plan = plan_of(self.base.harness)
        planned = range(plan.eval_every, plan.steps, plan.eval_every) if plan.eval_every else ()
        return [*planned, plan.steps]

    @property
    def steps_of_a_trial(self) -> int:
        """Training steps of a trial that is not pruned."""
        return plan_of(self.base.harness).steps * len(self.file.seeds)

    def keys(self, params: Mapping[str, JsonScalar]) -> dict[str, JsonScalar]:
        """Return a trial's configuration keys, without seed and execution settings."""
        flat = self.configuration(params, 0).flat()
        first = ["variant", "preset", *self.space.settings(params)]
        # all keys, because a preset may change
        rest = [
            name for name in flat if name not in EXECUTION_SETTINGS and name not in {*first, "seed", "epochs"}
        ]
        return {name: flat[name] for name in [*first, *rest]}

    def configuration(self, params: Mapping[str, JsonScalar], seed: int) -> Configuration:
        """Return the configuration of a trial's run."""
        return self.base.with_values(**self.space.settings(params), seed=seed)

    def describe(self) -> StudyDescription:
        """Return the study's description."""
        return StudyDescription(
            name=self.name,
            experiment=self.experiment,
            hash=self.hash,
            data_hash=self.data_hash,
            config=self.base.flat(),
            search=self.space.describe(),
            objectives=[goal.text for goal in self.goals],
            file=self.file.model_dump(mode="json"),
        )

    def to_json(self) -> dict[str, Json]:
        """Return the plan as JSON values, for a worker's process; :meth:`from_json` reads them."""
        values = {name: getattr(self, name) for name in ("title", "settings", "frechet_metric", "data_hash")}
        return values | {"file": self.file.model_dump(mode="json")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StudyPlan":
        """Read a plan that :meth:`to_json` returned."""
        return cls(**(dict(values) | {"file": StudyFile(**values["file"])}))


def base_of(settings: Mapping[str, object]) -> Configuration:
    """Return the configuration of a study's settings; figures per run are drawn only on request."""
    return resolve({"figures": False} | dict(settings))


def plan_study(
    title: str,
    file: StudyFile,
    variant: str,
    given: Mapping[str, object],
    workers: int,
    progress: Progress,
) -> StudyPlan:
    """Plan a study and check that its data, networks and judge work; creates nothing but caches.

    Parameters
    ----------
    title : str
        Name of the study file.
    file : StudyFile
        Content of the study file.
    variant : str
        Name of the variant.
    given : mapping
        Configuration keys over those of the file.
    workers : int
        Trials at a time; the machine's cores are divided among them unless `threads` is set.
    progress : Progress
        Prints what is fetched.

    Raises
    ------
    RequestError
        If a name, range or value is not possible.
    WorkError
        If data or what judging needs is missing.
    """
    for name, place in (("seed", "those of its file"), ("variant", "named by --variant")):
        if name in given:
            raise RequestError(f"{name}: a study's {name}s are {place}")
    for name in ("stop_on", "stop_after"):
        if name in given or name in file.settings:
            raise RequestError(
                f"{name}: leave it out: a collapse ends a study's trials by collapse_after of its pruner"
            )
    check_settings({**file.settings, **given}, knobs_of(variant_named(variant)))
    settings = merge([{"experiment": title}, file.settings, dict(given), {"variant": variant}])
    base = base_of(settings)
    if workers > 1 and base.harness.threads == 0:
        settings["threads"] = max(1, (os.cpu_count() or 1) // workers)
        base = base_of(settings)
    require_names(base.harness)
    with named_in_errors(title):
        space = space_of(base.variant, file.search, base)
    for dimension in space.dimensions:
        if clash := sorted(set(dimension.knobs) & set(given)):
            raise RequestError(f"{clash[0]} is searched: it cannot be set")
    _require_judge(base, file.objectives)
    setup = set_up(base, progress)
    metric = setup.judge.metric
    harness = setup.configuration.harness
    known = {*setup.judge.metrics, *cost(setup.configuration).scalars}
    names = [metric if each.metric == FRECHET_DISTANCE else each.metric for each in file.objectives]
    for name, objective in zip(names, file.objectives, strict=True):
        if isinstance(setup.judge, Judge) and name in setup.judge.on_request:
            raise RequestError(
                f"objective {name}: it is measured on request only, not at evaluations of trials"
            )
        if name not in known:
            raise unknown("metric", name, known)
        goal_of(objective, metric, base.variant.scalars)
        if names.count(name) > 1:
            raise RequestError(f"objectives name {name!r} twice")
    # lengths in epochs and the data's channels are resolved once, for all trials
    settings |= {"steps": harness.steps, "channels": harness.channels}
    settings.pop("epochs", None)
    return StudyPlan(title, file, settings, metric, setup.array.hash)


def _require_judge(base: Configuration, objectives: Sequence[Objective]) -> None:
    """Raise RequestError if an objective is a metric of samples and the trials have no judge."""
    if base.harness.extractor is not None:
        return
    for metric in (objective.metric for objective in objectives):
        if metric == FRECHET_DISTANCE or is_metric(metric):
            raise RequestError(
                f"objective {shown(metric)} needs a judge, and extractor is none: allowed are scalars of "
                f"training, {', '.join(cost(base).scalars)}"
            )
