"""What judging costs: a whole evaluation over the bare forward passes that it cannot do without.

``python benchmarks/evaluation_cost.py`` draws samples of a generator at its quick preset and judges them with
the shipped extractor, in turns with the generator's and the extractor's forward passes alone, all on one
thread. It prints the ratio of the two times and what each metric takes. See benchmarks/README.md.
"""

import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from interleaved import compare

from bench import environment
from bench.configuration import resolve
from bench.judging.comparison import Comparison
from bench.judging.judge import Judge, as_stored
from bench.judging.metrics import metrics_for
from bench.judging.observation import Observation
from bench.progress import Progress
from bench.sampler import Sampler, make_sampler
from bench.workbench import prepare_workbench

# Libraries of linear algebra read these when they are loaded.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


class Evaluation:
    """Evaluations as a run does them.

    Parameters
    ----------
    judge : Judge
        What measures.
    sampler : callable
        What is measured.

    Attributes
    ----------
    processor_seconds : list of float
        What each block took of the processor, on all threads.
    """

    def __init__(self, judge: Judge, sampler: Sampler) -> None:
        self.judge, self.sampler = judge, sampler
        self.processor_seconds: list[float] = []
        self._started = 0.0

    def prepare(self, steps: int) -> None:
        """Read the processor's clock."""
        self._started = time.process_time()

    def advance(self, steps: int) -> None:
        """Evaluate so many times."""
        for _ in range(steps):
            self.judge.measure(self.sampler)
        self.processor_seconds.append(time.process_time() - self._started)

    def wait(self) -> None:
        """Nothing: it all happens on the processor."""


class BarePasses(Evaluation):
    """The forward passes of the same samples: generator, bytes, extractor; nothing is kept."""

    def advance(self, steps: int) -> None:
        """Pass all samples so many times."""
        for _ in range(steps):
            for samples in self.sampler(self.judge.samples):
                self.judge.extractor(as_stored(samples))
        self.processor_seconds.append(time.process_time() - self._started)


def shares(judge: Judge, sampler: Sampler, times: int) -> dict[str, float]:
    """Median processor seconds of what follows the forward passes, part by part.

    Whatever several metrics need of both sides is computed, and counted, before them; what they need of the
    real samples alone is computed once for all evaluations and does not count.
    """
    seen = []
    for samples in sampler(judge.samples):
        stored = as_stored(samples)
        seen.append((stored, judge.extractor(stored)))
    seconds: dict[str, list[float]] = {}

    def timed(name: str, compute: Any) -> None:
        start = time.process_time()
        compute()
        seconds.setdefault(name, []).append(time.process_time() - start)

    for _ in range(times):
        observed = Observation(judge.extractor, "generated samples", kept=judge.paired)
        timed("moments and shares", lambda: [observed.update(*batch) for batch in seen])  # noqa: B023
        compared = Comparison(observed, judge.reference.observation, judge.paired)
        compared.real_neighbours  # noqa: B018
        timed("distances", lambda: compared.distances)  # noqa: B023
        timed("neighbours", lambda: compared.generated_neighbours)  # noqa: B023
        for metric in metrics_for(judge.extractor):
            timed(metric.recorded_as(judge.extractor), lambda: metric.compute(compared))  # noqa: B023
    return {name: median(each) for name, each in seconds.items()}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--variant", default="began-v3", show_default=True, help="Whose generator, at its quick preset."
)
@click.option("--samples", type=click.IntRange(min=12), default=5000, show_default=True, help="Samples.")
@click.option("--pairs", type=click.IntRange(min=2), default=9, show_default=True, help="Pairs of timings.")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here."
)
def main(variant: str, samples: int, pairs: int, file: Path | None) -> None:
    """Time evaluations against bare forward passes."""
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, sys.orig_argv, os.environ | ONE_THREAD)
    configuration = resolve(
        {
            "variant": variant, "preset": "quick", "extractor": "shipped", "device": "cpu",
            "eval_samples": samples, "threads": 1,
        }
    )  # fmt: skip
    bench = prepare_workbench(configuration, Progress())
    sampler = make_sampler(bench.variant.generator, bench.variant.draw_latent, 0, bench.device)
    evaluation, bare = Evaluation(bench.judge, sampler), BarePasses(bench.judge, sampler)
    comparison = compare(evaluation, bare, 1, pairs)
    each = shares(bench.judge, sampler, pairs)
    # of the blocks that are compared; those before warmed up
    spent, least = (side.processor_seconds[-pairs:] for side in (evaluation, bare))
    results = comparison.describe("evaluation", "bare") | {
        "variant": variant,
        "samples": samples,
        "compared": bench.judge.paired,
        "processor_seconds": {"evaluation": spent, "bare": least},
        "processor_ratio_median": median(a / b for a, b in zip(spent, least, strict=True)),
        "processor_seconds_after_the_passes": each,
        "threads": torch.get_num_threads(),
        "machine": environment.facts(),
    }
    if file:
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    low, middle, high = comparison.quartiles()
    click.echo(
        f"evaluation / bare passes: median {middle:.3f} (quartiles {low:.3f} to {high:.3f}), {pairs} pairs; "
        f"{samples} samples, {bench.judge.paired} of each side compared"
    )
    click.echo(
        f"by the processor's clock: median {results['processor_ratio_median']:.3f};"
        f" {median(spent):.2f} s and {median(least):.2f} s"
    )
    click.echo("after the passes:")
    for name, seconds in sorted(each.items(), key=lambda row: -row[1]):
        click.echo(f"  {name:<20} {1e3 * seconds:7.1f} ms  {100 * seconds / median(spent):5.2f}%")


if __name__ == "__main__":
    main()
