"""Score the collapse verdict on runs, on real samples and on samplers collapsed on purpose.

``BENCH_HOME=DIR python benchmarks/calibrate_health.py [--data-root DIR] [--out FILE.json]``, where BENCH_HOME
has the runs of docs/first-result.md and docs/known-modes.md. The last checkpoint of each finished run on
images with classes is evaluated again. Healthy generators, real points and stacked digits are then collapsed
on purpose by several degrees. The thresholds of bench/health/verdict.py were chosen on mnist-5k; all other
data sets test them. The alarms are scored on every run. Prints Markdown tables.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from collapsed_samplers import collapses, sampler_of
from tables import markdown
from verdict_cases import Case, finished_runs, judge_case, modes_or_classes, unused_samples

from bench.commands.options import OutFile
from bench.configuration import resolve
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup, set_up
from bench.health import alarms, verdict
from bench.health.signs import signs_of_collapse
from bench.judging.judge import Sampler
from bench.judging.metrics.classes import CLASSES_COVERED
from bench.judging.metrics.modes import MODES_COVERED
from bench.runs import record
from bench.runs.generator import TrainedGenerator, load
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.atomic_files import write_text
from bench.training.sampler import make_sampler
from variants.scalars import AlarmRule, Drop, TrainingScalar

CHOSEN_ON = "mnist-5k"
# The truth about a run: the share of real classes, or of known modes, that its samples cover with confidence.
# The verdict does not use that count. A run is healthy or collapsed at or beyond these shares.
HEALTHY, COLLAPSED = 0.8, 0.4
POOL = 24_000  # samples of a generator from which collapsed samplers draw
RUNS_OF_A_KIND = 2  # runs collapsed on purpose per variant and data set
UNUSED_SEED = 20_000  # seed of a pool's latents, which no run has
SAMPLES = 2000  # with known modes: so few that enough stacked digits remain without the removed modes
REAL_DRAWS = 4  # disjoint draws of real samples with known modes
SPREAD = {"ring-8": 0.1, "grid-25": 0.1, "stacked-mnist": 0.1}  # deviation of noise that hides the modes
# The rule for drops of k: as configured, and with the weakest conditions.
K_DROP: dict[str, dict[str, Any]] = {
    "k-drop": {},
    "k-drop, from the first step, of any k": {"start": 0, "least": 0.0},
    "k-drop, by a tenth": {"start": 0, "least": 0.0, "factor": 0.9},
}


@click.command(help=__doc__.splitlines()[0])
@click.option("--data-root", help="Folder of the published data sets, for runs that name another one.")
@click.option("--out", type=OutFile(), help="JSON file for every single case.")
def main(data_root: str | None, out: Path | None) -> None:
    torch.set_num_threads(1)
    runs = list(finished_runs(data_root))
    if not runs:
        raise click.UsageError(f"{paths.runs()} holds no finished runs")
    cases: list[Case] = []
    watched: list[dict[str, Any]] = []
    setups: dict[tuple[str, int], TrainingSetup] = {}  # by the data's hash and the number of samples
    used: Counter[tuple[str, str]] = Counter()
    for number, (run, configuration) in enumerate(runs, start=1):
        key = run.describe().data.hash, configuration.harness.eval_samples
        setup = setups[key] = setups.get(key) or set_up(configuration, Progress(quiet=True))
        case, generator = trained_case(run, setup, configuration.harness.seed)
        watched.append(watch(run, setup, case))
        if "classes" not in setup.judge.extractor.provides:
            continue
        cases.append(case)
        alike = case.data, configuration.variant.name
        if case.truth is False and used[alike] < RUNS_OF_A_KIND:
            used[alike] += 1
            cases += collapsed_cases(generator, setup, case, number)
        print(f"{number} of {len(runs)} runs judged", file=sys.stderr)
    for name in ("ring-8", "grid-25", "stacked-mnist"):
        cases += known_mode_cases(name)
    print("\n\n".join((by_degree(cases), by_data(cases), by_sign(cases), by_alarm(watched))))
    if out:
        write_text(out, json.dumps({"cases": [asdict(c) for c in cases], "runs": watched}, indent=1))


def trained_case(run: RunFolder, setup: TrainingSetup, seed: int) -> tuple[Case, TrainedGenerator]:
    """Return the case of a run at its last checkpoint, and its generator."""
    loaded = load(run, "last")
    values = setup.judge.measure(sampler_of_run(loaded, seed))
    counted = CLASSES_COVERED if CLASSES_COVERED in values else MODES_COVERED
    covered = values[counted] / setup.real[counted]
    truth = True if covered <= COLLAPSED else False if covered >= HEALTHY else None
    source = run.describe().name
    signs = signs_of_collapse(values, setup.real, verdict.RULES)
    return Case(setup.array.name, source, "trained", covered, truth, signs), loaded


def sampler_of_run(loaded: TrainedGenerator, seed: int) -> Sampler:
    return make_sampler(loaded.generator, loaded.variant.draw_latent, seed, torch.device("cpu"))


def collapsed_cases(loaded: TrainedGenerator, setup: TrainingSetup, case: Case, seed: int) -> list[Case]:
    """Return cases of a healthy generator: distorted, which is no collapse, and collapsed by degrees."""
    pool = torch.cat(list(sampler_of_run(loaded, UNUSED_SEED)(POOL))).clamp(-1, 1)
    noise = torch.randn(pool.shape, generator=torch.Generator().manual_seed(seed))
    distorted = {
        ("noise added", 0.1): pool + 0.1 * noise,
        ("noise added", 0.3): pool + 0.3 * noise,
        ("blurred", 3.0): torch.nn.functional.avg_pool2d(pool, 3, stride=1, padding=1),
    }
    cases = [
        judge_case(setup, sampler_of(samples.clamp(-1, 1)), case.source, kind, degree, False)
        for (kind, degree), samples in distorted.items()
    ]
    known = np.argsort(-setup.judge.reference.statistics.classes.predicted)[:10]
    kinds = modes_or_classes(setup, pool)
    for made in collapses(pool, kinds, known, setup.judge.samples, seed):
        cases.append(judge_case(setup, made.sampler, case.source, made.kind, made.degree, made.truth))
    return cases


def known_mode_cases(name: str) -> list[Case]:
    """Return cases of real samples with known modes: unchanged, distorted, and collapsed by degrees."""
    configuration = resolve({"variant": "began", "dataset": name, "eval_samples": SAMPLES})
    setup = set_up(configuration, Progress(quiet=True))
    pool = unused_samples(setup)
    kinds = modes_or_classes(setup, pool)
    cases = []
    for seed, part in enumerate(pool.split(setup.judge.samples)[:REAL_DRAWS]):
        cases.append(judge_case(setup, sampler_of(part), f"real {seed}", "real", 1.0, False))
        noisy = part + SPREAD[name] * torch.randn(part.shape, generator=torch.Generator().manual_seed(seed))
        cases.append(judge_case(setup, sampler_of(noisy), f"real {seed}", "noise added", SPREAD[name], False))
        shuffled = torch.from_numpy(np.random.default_rng(seed).permutation(len(pool)))
        for made in collapses(pool[shuffled], kinds[shuffled], np.unique(kinds), setup.judge.samples, seed):
            cases.append(judge_case(setup, made.sampler, f"real {seed}", made.kind, made.degree, made.truth))
    return cases


def watch(run: RunFolder, setup: TrainingSetup, case: Case) -> dict[str, Any]:
    """Return the alarms of a run, and the step of the evaluation from which on all show a collapse."""
    recorded = record.read(run.record_path)
    declared = run.describe().scalars
    raised = {alarm.kind: alarm.step for alarm in alarms.alarms_of(recorded.steps, declared)}
    for name, values in K_DROP.items():
        altered = with_drops(declared, "k-drop", values)
        found = {alarm.kind: alarm.step for alarm in alarms.alarms_of(recorded.steps, altered)}
        if "k-drop" in found:
            raised[name] = found["k-drop"]
    onset = None
    for evaluation in reversed(recorded.evaluations):
        if not verdict.collapsed(evaluation.values, setup.real):
            break
        onset = evaluation.step
    return {"run": case.source, "data": case.data, "truth": case.truth, "onset": onset, "alarms": raised}


def with_drops(declared: Sequence[TrainingScalar], kind: str, values: dict[str, Any]) -> list[TrainingScalar]:
    """Return declared scalars whose rules for drops of a kind have other values."""

    def altered(rule: AlarmRule) -> AlarmRule:
        return replace(rule, **values) if isinstance(rule, Drop) and rule.kind == kind else rule

    return [replace(scalar, alarms=tuple(map(altered, scalar.alarms))) for scalar in declared]


def by_degree(cases: list[Case]) -> str:
    """Return a table of how many cases of each kind and degree are flagged."""
    groups: dict[tuple[str, float, str], list[bool]] = defaultdict(list)
    for case in cases:
        if case.kind != "trained":
            side = "chosen on" if case.data == CHOSEN_ON else "tested on"
            groups[case.kind, case.degree, side].append(bool(case.signs))
    rows = []
    for kind, degree in sorted({key[:2] for key in groups}):
        cells = [groups.get((kind, degree, side), []) for side in ("chosen on", "tested on")]
        rows.append(
            [
                kind,
                f"{degree:g}",
                *(f"{sum(c)} of {len(c)}" if c else "-" for c in cells),
            ]
        )
    return markdown(["change", "degree", f"flagged on {CHOSEN_ON}", "flagged on other data"], rows)


def by_data(cases: list[Case]) -> str:
    """Return a table of precision and recall of the verdict on the clear cases of each data set."""
    names = sorted({case.data for case in cases}, key=lambda name: (name != CHOSEN_ON, name))
    groups = {f"{name} (thresholds chosen here)" if name == CHOSEN_ON else name: {name} for name in names}
    groups["all data but " + CHOSEN_ON] = set(names) - {CHOSEN_ON}
    groups["all"] = set(names)
    rows = [
        [title, *scores((bool(c.signs), c.truth) for c in cases if c.data in members)]
        for title, members in groups.items()
    ]
    trained = [(bool(c.signs), c.truth) for c in cases if c.kind == "trained"]
    rows.append(["trained runs alone", *scores(trained)])
    return markdown(["data", "collapsed", "well", "precision", "recall"], rows)


def by_sign(cases: list[Case]) -> str:
    """Return a table of precision and recall of each sign alone."""
    signs = sorted({sign for case in cases for sign in case.signs})
    rows = [[sign, *scores((sign in c.signs, c.truth) for c in cases)] for sign in signs]
    return markdown(["sign alone", "collapsed", "well", "precision", "recall"], rows)


def by_alarm(watched: list[dict[str, Any]]) -> str:
    """Return a table of precision, recall and lead in steps of each alarm as a sign of collapse."""
    rows = []
    kinds = {kind for run in watched for kind in run["alarms"]}
    for kind in sorted(kinds | set(K_DROP)):
        leads = [
            run["onset"] - run["alarms"][kind]
            for run in watched
            if run["truth"] and run["onset"] and kind in run["alarms"]
        ]
        lead = f"{median(leads):,.0f} ({min(leads):,} to {max(leads):,})" if leads else "-"
        rows.append([kind, *scores((kind in run["alarms"], run["truth"]) for run in watched), lead])
    return markdown(["alarm", "collapsed", "well", "precision", "recall", "lead, steps"], rows)


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
