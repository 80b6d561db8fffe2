"""Runs as a tidy data frame: one row per run, at the step that a rule selects."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.comparing import measured
from bench.comparing.columns import COST, IDENTITY, PARAMETERS, is_reserved, parameters_of
from bench.comparing.condition import select_runs
from bench.comparing.folders import as_recorded, with_one_name
from bench.comparing.groups import with_groups
from bench.comparing.measured import METRICS
from bench.comparing.scalars import BEST, SCALARS, columns_of, compared, of_runs, selecting, to_cell
from bench.comparing.selection import RULES, SelectionRule, check_rule, rule_named
from bench.comparing.smoothing import recent_means
from bench.runs import record
from bench.runs.damaged_runs import warn_of_damaged
from bench.runs.description import HealthRules, RunDescription
from bench.runs.record import RecordEvents
from bench.runs.run_folder import RunFolder, survey
from bench.system import paths
from bench.system.errors import RequestError, WorkError, shown, unknown
from bench.system.json_values import JsonScalar
from variants.registry import all_variants
from variants.scalars import TrainingScalar


def results(
    experiment: str | Sequence[str] | None = None,
    variant: str | Sequence[str] | None = None,
    dataset: str | Sequence[str] | None = None,
    where: str | None = None,
    select: str = "last",
    study: str | None = None,
) -> pd.DataFrame:
    """Return all runs, or some, as a tidy data frame.

    Runs with a damaged description or record are left out, with one warning for all of them.

    Parameters
    ----------
    experiment : str or sequence of str, optional
        Only runs of this experiment, or of several. The name of an experiment that has trials of studies
        only, or of a study, stands for these trials.
    variant, dataset : str or sequence of str, optional
        Only runs of these; one name, names with commas between, or a sequence.
    where : str, optional
        A condition over the columns, such as ``"lr_g < 0.001 and seed < 3"``, in the forms that
        :mod:`bench.comparing.expression` allows.
    select : str
        Name of the rule that selects each run's step: ``last``, ``best-fid``, or ``best-NAME`` for a scalar
        NAME that selects checkpoints of one of the runs.
    study : str, optional
        Only runs of this study's trials; the beginning of its name up to a hyphen is enough. Without it the
        trials of all studies are left out: they are pruned, and the best of them is best partly by luck.

    Returns
    -------
    DataFrame
        One row per run, oldest first. Columns: :data:`bench.comparing.columns.IDENTITY` (``status`` is
        FINISHED, FAILED, KILLED, or RUNNING for a run without an end; ``health`` is missing there;
        ``stopped_on`` is ``collapse`` for a run that the knob `stop_on` ended, else missing;
        ``alarms`` are those raised so far, such as ``k-drop@1234 loss-rising@1700``, or empty; ``metric``
        names the run's Frechet distance; ``health_rules`` is a hash of the rules of health; ``step`` is
        the selected step, Int64), the metrics at that step, by name; the scalars that the runs declare
        (:func:`bench.comparing.scalars.compared`): of one that selects checkpoints ``NAME`` (mean over the
        last steps up to that step, a hundredth of the run, as curves of figures are averaged) and
        ``NAME_best`` (best mean between two checkpoints of the run, once it has ended), of others ``NAME``
        (after that step); the number of ``parameters``, and ``parameters_NAME`` of each network;
        ``train_seconds`` (up to the last checkpoint) and ``processor``; then every other knob by its name.

    Raises
    ------
    RequestError
        If a name is one that no run has, the rule is unknown or the condition is not allowed.
    """
    found = survey()
    everything, damaged = found.runs, dict(found.damaged)
    if any(description.config.experiment == experiment for _, description in everything):
        # a name may have commas
        experiment = [str(experiment)]
    chosen_studies = _studies(everything, experiment, study)
    described = [pair for pair in everything if _study(pair[1]) in chosen_studies]
    # trials that an experiment's name stands for may have been made in another experiment
    by_experiment = experiment and (study is not None or chosen_studies == {None})
    wanted = {"experiment": _names(experiment) if by_experiment else None}
    recorded = (description.config.dataset for _, description in described)
    wanted |= {"variant": _names(variant), "dataset": as_recorded(_names(dataset), recorded)}
    for key, names in wanted.items():
        present = {getattr(description.config, key) for _, description in described}
        for name in names or ():
            if not present:
                raise RequestError(f"{key} {shown(name)}: there are no runs in {paths.runs()}")
            if name not in present:
                raise unknown(f"{key} (of the runs in {paths.runs()})", name, present)
    chosen = [
        (run, description)
        for run, description in described
        if all(names is None or getattr(description.config, key) in names for key, names in wanted.items())
    ]
    rule = _rule(select, [description for _, description in chosen])
    metrics = {name for _, description in chosen for name in description.metrics}
    knobs = {name for _, description in chosen for name in description.config.flat()}
    rows = []
    for run, description in chosen:
        try:
            events = RecordEvents(run.record_path)
        except WorkError as error:
            damaged[run.record_path] = str(error)
            continue
        free = [s for s in description.scalars if not (is_reserved(s.name) or is_reserved(s.name + BEST))]
        rows.append(_row(run, description, events, rule, compared(free, knobs | metrics), metrics))
    warn_of_damaged(damaged)
    frame = _tidy(rows)
    return with_one_name(frame if where is None else select_runs(frame, where))


def trajectories(frame: pd.DataFrame, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return scalars of every training step of runs.

    Parameters
    ----------
    frame : DataFrame
        Runs, as returned by :func:`results`; a column ``group`` is used if there is one.
    names : sequence of str, optional
        Names of scalars in the record; those with a panel of their own where not given.

    Returns
    -------
    DataFrame
        One row per run and step: run_id, group, seed, step, epoch (passes over the real images, not
        rounded), and one float column per name, missing where a run or a step does not have it.

    Raises
    ------
    RequestError
        If no run has a scalar of one of the given names.
    """
    frame = frame if "group" in frame else with_groups(frame)
    asked = names or ()
    if names is None:
        names = [scalar.name for scalar in of_runs(frame).values() if scalar.panel is not None]
    columns = ["run_id", "group", "seed", "step", "epoch", *names]
    parts: list[pd.DataFrame] = []
    known: set[str] = set()
    for run_id, group, seed in zip(frame["run_id"], frame["group"], frame["seed"], strict=True):
        run = RunFolder(paths.runs() / run_id)
        rows = record.read(run.record_path).steps
        known = known.union(*rows)
        pace = run.describe().epochs_per_step() if rows else 0.0
        steps = [row["step"] for row in rows]
        part = pd.DataFrame({"step": steps, "epoch": [step * pace for step in steps]})
        part = part.assign(
            **{name: pd.Series([row.get(name) for row in rows], dtype=float) for name in names}
        )
        parts.append(part.assign(run_id=run_id, group=group, seed=seed)[columns])
    for name in asked:
        if known and name not in known:
            raise unknown("scalar", name, known - {"step"})
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)


def _names(given: str | Sequence[str] | None) -> list[str] | None:
    if given is None:
        return None
    names = given.split(",") if isinstance(given, str) else given
    return [name.strip() for name in names]


def _rule(select: str, descriptions: Sequence[RunDescription]) -> SelectionRule:
    """Return the selection rule of a name, which one of the runs must have."""
    declared = [scalar for description in descriptions for scalar in description.scalars]
    if not descriptions:
        declared = [scalar for variant in all_variants().values() for scalar in variant.scalars]
    directions = selecting(declared)
    if select not in RULES:
        check_rule(select, directions)
    return rule_named(select, directions)


def _studies(
    runs: Sequence[tuple[RunFolder, RunDescription]],
    experiment: str | Sequence[str] | None,
    study: str | None,
) -> set[str | None]:
    """Return the studies whose trials are chosen; None stands for the runs that are no trials.

    A study may be named by the beginning of its name, if no other begins so. The name of an experiment that
    has trials only, or of a study, stands for these trials.
    """
    experiments: dict[str, set[str]] = {}
    for _, description in runs:
        if name := _study(description):
            experiments.setdefault(name, set()).add(description.config.experiment)
    if study is not None:
        found = [name for name in experiments if name == study or name.startswith(f"{study}-")]
        if len(found) > 1 and study not in found:
            raise RequestError(f"study {shown(study)} means {len(found)} studies: {', '.join(sorted(found))}")
        if not found:
            raise unknown(f"study (of the runs in {paths.runs()})", study, experiments)
        return {study if study in found else found[0]}
    asked = _names(experiment) or []
    if any(description.config.experiment in asked for _, description in runs if not _study(description)):
        return {None}
    named = {
        name
        for name, of in experiments.items()
        if any(each in of or name == each or name.startswith(f"{each}-") for each in asked)
    }
    return {*named} or {None}


def _study(description: RunDescription) -> str | None:
    """Name of the study that a run belongs to, None for other runs."""
    return description.study.name if description.study else None


@dataclass(frozen=True)
class _Row:
    """One run's cells by the name of their column, apart by the columns' roles."""

    facts: Mapping[str, JsonScalar]  # identity
    metrics: Mapping[str, float]
    declared: Sequence[TrainingScalar]
    scalars: Mapping[str, float | None]
    cost: Mapping[str, JsonScalar]
    knobs: Mapping[str, JsonScalar]


def _row(
    run: RunFolder,
    description: RunDescription,
    events: RecordEvents,
    rule: SelectionRule,
    scalars: tuple[TrainingScalar, ...],
    taken: Collection[str],
) -> _Row:
    config, metric = description.config.flat(), description.metric
    recorded, end = events.record, events.record.end
    step = rule.select(recorded, metric, description.scalars)
    metrics = next((each.values for each in recorded.evaluations if each.step == step), {})
    environment = description.environment
    facts = {name: config[name] for name in IDENTITY if name in config} | {
        "run_id": run.id,
        "name": description.name,
        "study": _study(description),
        "trial": description.study.trial if description.study else None,
        "status": end.status if end else "RUNNING",
        "health": end.health if end else None,
        "stopped_on": end.stopped_on if end else None,
        "alarms": record.alarm_tag(recorded.alarms),
        "created": description.created,
        "commit": environment.commit,
        "config_hash": description.config_hash,
        "data_hash": description.data.hash,
        "metric": metric,
        "protocol": description.protocol,
        "health_rules": _digest(description.health_rules),
        SCALARS: to_cell(scalars),
        METRICS: measured.to_cell(description.metrics),
        "select": rule.name,
        "step": step,
    }
    cost: dict[str, JsonScalar] = {
        PARAMETERS: description.parameters,
        **{parameters_of(name): network.parameters for name, network in description.networks.items()},
        "train_seconds": recorded.checkpoints[-1].train_seconds if recorded.checkpoints else None,
        "processor": environment.gpu or environment.processor,
    }
    # a knob with the name of a metric has no column
    knobs = {name: value for name, value in config.items() if not is_reserved(name) and name not in taken}
    return _Row(facts, metrics, scalars, _values(scalars, events, step), cost, knobs)


def _values(
    scalars: Sequence[TrainingScalar], events: RecordEvents, step: int | None
) -> dict[str, float | None]:
    """Return the cells of a run's scalars, by column."""
    end = events.record.end
    at_step = events.step(step) if step is not None else {}
    means = recent_means(events, step, [s.name for s in scalars if s.selects]) if step is not None else {}
    averaged = {name: mean.value for name, mean in means.items()}
    values = {s.name: (averaged if s.selects else at_step).get(s.name) for s in scalars}
    return values | {
        s.name + BEST: end.best.get(s.name + BEST) if end else None for s in scalars if s.selects
    }


def _digest(rules: HealthRules) -> str:
    return hashlib.sha256(json.dumps(rules.model_dump(), sort_keys=True).encode()).hexdigest()[:8]


def _tidy(rows: list[_Row]) -> pd.DataFrame:
    """Return a frame of the rows, with its columns in order and of one type each."""
    metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
    scalars = columns_of(scalar for row in rows for scalar in row.declared)
    networks = list(dict.fromkeys(name for row in rows for name in row.cost if name not in COST))
    knobs = list(dict.fromkeys(name for row in rows for name in row.knobs))
    total, *others = COST
    order = list(dict.fromkeys([*IDENTITY, *metrics, *scalars, total, *networks, *others, *knobs]))
    flat = [{**row.knobs, **row.scalars, **row.metrics, **row.cost, **row.facts} for row in rows]
    columns = {name: _typed([row.get(name) for row in flat]) for name in order}
    frame = pd.DataFrame(columns, columns=order)
    numbers = dict.fromkeys([*metrics, *scalars, "train_seconds"], "float64")
    return frame.astype({"step": "Int64"} | numbers)


def _typed(values: list[JsonScalar]) -> pd.Series:
    """Return a column whose integers and booleans keep their type where some runs have none."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds and None in values and kinds <= {int, bool} and len(kinds) == 1:
        return pd.Series(values, dtype="Int64" if kinds == {int} else "boolean")
    return pd.Series(values)
