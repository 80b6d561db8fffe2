"""Score the collapse verdict on kinds of samplers that no threshold was chosen on.

``python benchmarks/score_unseen.py [--data-root DIR] [--out FILE.json]`` makes samplers (unseen_samplers.py)
from real samples of points, of stacked digits and, if DIR has them, of MNIST and Fashion-MNIST. Generators of
finished runs on mnist-5k in BENCH_HOME (`bench run --variant began-v3`) are added, unchanged and with
collapsed latents. Prints Markdown tables with exact 95% intervals (Clopper-Pearson).
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
import torch
from collapsed_samplers import sampler_of
from scipy.stats import binomtest
from tables import markdown
from unseen_samplers import collapsed, healthy, latents_collapsed
from verdict_cases import Case, finished_runs, judge_case, modes_or_classes, unused_samples

from bench.configuration import resolve
from bench.execution.progress import Progress
from bench.execution.setup import set_up
from bench.runs.generator import load
from bench.system.atomic_files import write_text
from bench.training.sampler import EVALUATION, make_sampler
from variants.noise import Noise

KNOWN_MODES = ("ring-8", "grid-25", "stacked-mnist")
IMAGES = ("mnist", "fashion-mnist")
SAMPLES = 2000
POOL = 24_000
DRAWS = 2  # per kind and data set
CPU = torch.device("cpu")
UNUSED_SEED = 30_000  # seed of latents, which no run has


@click.command(help=__doc__.splitlines()[0])
@click.option("--data-root", help="Folder with MNIST/raw and FashionMNIST/raw; without it neither is used.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file for every single case.")
def main(data_root: str | None, out: Path | None) -> None:
    torch.set_num_threads(1)
    cases: list[Case] = []
    for name in (*KNOWN_MODES, *(IMAGES if data_root else ())):
        cases += cases_of_data(name, data_root)
        print(f"{name}: {len(cases)} cases so far", file=sys.stderr)
    cases += cases_of_generators(data_root)
    if out:
        write_text(out, json.dumps([asdict(case) for case in cases], indent=1))
    print("\n\n".join((in_all(cases), by_kind(cases))))


def cases_of_data(name: str, data_root: str | None) -> Iterator[Case]:
    """Yield cases of samplers made from real samples that the reference does not use."""
    given: dict[str, object] = {
        "variant": "began",
        "dataset": name,
        "eval_samples": SAMPLES,
        "extractor": "shipped",
    }
    if name in IMAGES:
        given["data_root"] = data_root
    setup = set_up(resolve(given), Progress(quiet=True))
    pool = unused_samples(setup)[:POOL]
    kinds = modes_or_classes(setup, pool)
    for seed in range(DRAWS):
        shuffled = np.random.default_rng(seed).permutation(len(pool))
        mixed = pool[torch.from_numpy(shuffled)]
        for made in (*collapsed(mixed, kinds[shuffled], SAMPLES, seed), *healthy(mixed, SAMPLES, seed)):
            yield judge_case(
                setup, sampler_of(made.samples), f"real {seed}", made.kind, made.degree, made.truth
            )


def cases_of_generators(data_root: str | None) -> Iterator[Case]:
    """Yield cases of trained generators, with latents of the prior and with collapsed latents."""
    for run, configuration in finished_runs(data_root):
        if run.describe().data.name != "mnist-5k":
            continue
        setup = set_up(configuration, Progress(quiet=True))
        trained = load(run, "last")
        source = run.describe().name

        noise = Noise(UNUSED_SEED, 0, CPU)
        prior = trained.variant.draw_latent(noise, setup.judge.samples, EVALUATION)
        inputs = [("trained generator", 1.0, prior, False)]
        inputs += [(*made, True) for made in latents_collapsed(prior)]
        for kind, degree, latents, truth in inputs:
            sampler = make_sampler(trained.generator, lambda *_, given=latents: given, UNUSED_SEED, CPU)
            yield judge_case(setup, sampler, source, kind, degree, truth)


def share(right: int, count: int) -> str:
    """Return count, share and exact 95% interval as text."""
    if not count:
        return "-"
    found = binomtest(right, count)
    interval = found.proportion_ci(method="exact")
    return f"{right} of {count}: {right / count:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def in_all(cases: list[Case]) -> str:
    """Return a table of recall, false alarms and precision by data set and overall."""
    rows = []
    names = list(dict.fromkeys(case.data for case in cases))
    for title, members in (*((name, {name}) for name in names), ("all", set(names))):
        own = [case for case in cases if case.data in members]
        flagged = [case for case in own if case.signs]
        hits = sum(bool(case.truth) for case in flagged)
        collapses = sum(bool(case.truth) for case in own)
        cells = (
            share(hits, collapses),
            share(len(flagged) - hits, len(own) - collapses),
            share(hits, len(flagged)),
        )
        rows.append([title, *cells])
    return markdown(["data", "recall", "false alarms", "precision"], rows)


def by_kind(cases: list[Case]) -> str:
    """Return a table of how many cases of each kind and degree are flagged."""
    groups: dict[tuple[bool, str, float], list[Case]] = defaultdict(list)
    for case in cases:
        groups[not case.truth, case.kind, case.degree].append(case)
    rows = []
    for (fine, kind, degree), own in sorted(groups.items()):
        missed = sorted({case.data for case in own if bool(case.signs) == fine})
        flagged = f"{sum(bool(case.signs) for case in own)} of {len(own)}"
        truth = "well" if fine else "collapsed"
        rows.append([kind, f"{degree:g}", truth, flagged, ", ".join(missed) or "-"])
    return markdown(["change", "degree", "truth", "flagged", "wrong on"], rows)


if __name__ == "__main__":
    main()
