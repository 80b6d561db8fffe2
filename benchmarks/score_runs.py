"""Score the verdict and the alarms on finished runs.

``BENCH_HOME=DIR python benchmarks/score_runs.py [--data-root DIR] [--out FILE.json]``, where BENCH_HOME has
the runs of docs/first-result.md and docs/known-modes.md. The last checkpoint of each finished run is
evaluated again. The truth comes from a count that the verdict does not use. Prints Markdown tables.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from scipy.stats import binomtest
from tables import markdown

from bench.commands.options import OutFile
from bench.configuration import Configuration
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup, set_up
from bench.health import alarms, verdict
from bench.health.signs import text_of_signs
from bench.judging.metrics.classes import CLASSES_COVERED
from bench.judging.metrics.modes import MODES_COVERED
from bench.runs import record
from bench.runs.generator import configuration_of, load
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.atomic_files import write_text
from bench.training.sampler import make_sampler
from variants.scalars import AlarmRule, Drop, TrainingScalar

# The truth: the share of real classes that the samples cover with confidence, or of known modes. A run is
# healthy or collapsed at or beyond these shares. Of points the verdict itself counts the modes.
HEALTHY, COLLAPSED = 0.8, 0.4
# The rule for drops of k: as configured, and with the weakest conditions.
K_DROP: dict[str, dict[str, Any]] = {
    "k-drop": {},
    "k-drop, from the first step, of any k": {"start": 0, "least": 0.0},
    "k-drop, by a tenth": {"start": 0, "least": 0.0, "factor": 0.9},
}


@dataclass(frozen=True)
class JudgedRun:
    """A finished run, judged at its last checkpoint.

    Attributes
    ----------
    run, data : str
        Names.
    covered : float
        Share of the real classes or modes that the samples cover.
    truth : bool or None
        Whether the run has collapsed; None between the clear cases.
    health : str
        ``collapsed``, ``memorised`` or ``ok``, by this version's rules.
    signs : str
        Signs with their numbers.
    onset : int or None
        Step of the evaluation from which on all show a collapse.
    alarms : dict
        Step of each alarm, by its kind.
    """

    run: str
    data: str
    covered: float
    truth: bool | None
    health: str
    signs: str
    onset: int | None
    alarms: dict[str, int]


@click.command(help=__doc__.splitlines()[0])
@click.option("--data-root", help="Folder of the published data sets, for runs that name another one.")
@click.option("--out", type=OutFile(), help="JSON file for every run.")
def main(data_root: str | None, out: Path | None) -> None:
    torch.set_num_threads(1)
    runs = list(finished_runs(data_root))
    if not runs:
        raise click.UsageError(f"{paths.runs()} holds no finished runs")
    judged: list[JudgedRun] = []
    setups: dict[tuple[str, int], TrainingSetup] = {}  # by the data's hash and the number of samples
    for number, (run, configuration) in enumerate(runs, start=1):
        key = run.describe().data.hash, configuration.harness.eval_samples
        setup = setups[key] = setups.get(key) or set_up(configuration, Progress(quiet=True))
        judged.append(judge(run, setup, configuration.harness.seed))
        print(f"{number} of {len(runs)} runs judged", file=sys.stderr)
    print("\n\n".join((by_run(judged), by_verdict(judged), by_alarm(judged))))
    if out:
        write_text(out, json.dumps([asdict(each) for each in judged], indent=1))


def finished_runs(data_root: str | None) -> Iterator[tuple[RunFolder, Configuration]]:
    """Yield finished runs with their configurations, in which `data_root` replaces another data folder."""
    folder = paths.runs()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        run = RunFolder(path)
        end, configuration = record.read(run.record_path).end, configuration_of(run.describe())
        if end is None or end.status != "FINISHED":
            continue
        moved = data_root and configuration.harness.data_root
        yield run, configuration.with_values(data_root=data_root) if moved else configuration


def judge(run: RunFolder, setup: TrainingSetup, seed: int) -> JudgedRun:
    """Judge the last checkpoint of a run, and its alarms."""
    loaded = load(run, "last")
    sampler = make_sampler(loaded.generator, loaded.variant.draw_latent, seed, torch.device("cpu"))
    values = setup.judge.measure(sampler)
    counted = CLASSES_COVERED if CLASSES_COVERED in values else MODES_COVERED
    covered = values[counted] / setup.real[counted]
    truth = True if covered <= COLLAPSED else False if covered >= HEALTHY else None
    health = verdict.verdict([(0, values)], setup.real, [], None).partition("@")[0]
    signs = text_of_signs(values, setup.real, verdict.RULES)
    recorded = record.read(run.record_path)
    onset = None
    for evaluation in reversed(recorded.evaluations):
        if not verdict.collapsed(evaluation.values, setup.real):
            break
        onset = evaluation.step
    name, data = run.describe().name, setup.array.name
    raised = alarms_of(recorded, run.describe().scalars)
    return JudgedRun(name, data, covered, truth, health, signs, onset, raised)


def alarms_of(recorded: record.Record, declared: Sequence[TrainingScalar]) -> dict[str, int]:
    """Return the step of each alarm of a record, also of those of :data:`K_DROP`."""
    raised = {alarm.kind: alarm.step for alarm in alarms.alarms_of(recorded.steps, declared)}
    for name, values in K_DROP.items():
        altered = with_drops(declared, "k-drop", values)
        found = {alarm.kind: alarm.step for alarm in alarms.alarms_of(recorded.steps, altered)}
        if "k-drop" in found:
            raised[name] = found["k-drop"]
    return raised


def with_drops(declared: Sequence[TrainingScalar], kind: str, values: dict[str, Any]) -> list[TrainingScalar]:
    """Return declared scalars whose rules for drops of a kind have other values."""

    def altered(rule: AlarmRule) -> AlarmRule:
        return replace(rule, **values) if isinstance(rule, Drop) and rule.kind == kind else rule

    return [replace(scalar, alarms=tuple(map(altered, scalar.alarms))) for scalar in declared]


def by_run(judged: Sequence[JudgedRun]) -> str:
    """Return a table of the runs with their signs."""
    truths = {True: "collapsed", False: "well", None: "between"}
    rows = [
        [each.run, each.data, f"{each.covered:.2f}", truths[each.truth], each.health, each.signs or "-"]
        for each in judged
    ]
    return markdown(["run", "data", "covered", "truth", "verdict", "signs"], rows, left=(0, 1, 3, 4, 5))


def by_verdict(judged: Sequence[JudgedRun]) -> str:
    """Return a table of recall and false alarms of both verdicts on the clear runs."""
    bad, good = ([each for each in judged if each.truth is truth] for truth in (True, False))
    rows = [
        [word, *(share(sum(each.health == word for each in part), len(part)) for part in (bad, good))]
        for word in ("collapsed", "memorised")
    ]
    return markdown(["verdict", "of collapsed runs", "of healthy runs"], rows)


def by_alarm(judged: Sequence[JudgedRun]) -> str:
    """Return a table of precision, recall and lead in steps of each alarm as a sign of collapse."""
    rows = []
    kinds = {kind for run in judged for kind in run.alarms}
    for kind in sorted(kinds | set(K_DROP)):
        leads = [
            run.onset - run.alarms[kind] for run in judged if run.truth and run.onset and kind in run.alarms
        ]
        lead = f"{median(leads):,.0f} ({min(leads):,} to {max(leads):,})" if leads else "-"
        rows.append([kind, *scores((kind in run.alarms, run.truth) for run in judged), lead])
    return markdown(["alarm", "collapsed", "well", "precision", "recall", "lead, steps"], rows)


def share(right: int, count: int) -> str:
    """Return count, share and exact 95% interval (Clopper and Pearson) as text."""
    if not count:
        return "-"
    interval = binomtest(right, count).proportion_ci(method="exact")
    return f"{right} of {count}: {right / count:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def scores(found: Iterable[tuple[bool, bool | None]]) -> list[str]:
    """Return the numbers of collapsed and healthy cases, precision and recall of pairs (flagged, truth)."""
    clear = [(flagged, truth) for flagged, truth in found if truth is not None]
    right = sum(flagged and truth for flagged, truth in clear)
    flagged, collapsed = sum(flagged for flagged, _ in clear), sum(bool(truth) for _, truth in clear)
    precision = f"{right / flagged:.3f}" if flagged else "-"
    recall = f"{right / collapsed:.3f}" if collapsed else "-"
    return [str(collapsed), str(len(clear) - collapsed), precision, recall]


if __name__ == "__main__":
    main()
