"""Cost of an evaluation: a whole evaluation / its forward passes alone."""

import time
from statistics import median
from typing import Any

from configurations import quick
from interleaved import Side, compare, spread
from loops import quiet_setup
from tables import markdown, with_notes, with_quartiles

from bench.judging.judge import Judge, as_stored
from bench.judging.metric_inputs import MetricInputs
from bench.judging.metrics import metrics_for
from bench.judging.sample_statistics import SampleStatistics
from bench.judging.training_features import TrainingFeatures
from bench.training.sampler import Sampler, make_sampler
from sections import Request, measure_each

TITLE = "Evaluation: time of an evaluation / the generator's and the extractor's forward passes alone"
PAIRS = 9
SAMPLES = 5000
VARIANT = "began-v3"  # by default


class Evaluation(Side):
    """Evaluations as a run does them.

    Parameters
    ----------
    judge : Judge
        The judge of the run.
    sampler : callable
        Sampler of the generator.

    Attributes
    ----------
    processor_seconds : list of float
        Processor time of each block, summed over threads.
    """

    def __init__(self, judge: Judge, sampler: Sampler) -> None:
        self.judge, self.sampler = judge, sampler
        self.processor_seconds: list[float] = []
        self._started = 0.0

    def prepare(self, steps: int) -> None:
        """Read the processor clock."""
        self._started = time.process_time()

    def rest(self) -> None:
        """Read the processor clock."""
        self.processor_seconds.append(time.process_time() - self._started)

    def advance(self, steps: int) -> None:
        """Evaluate `steps` times."""
        for _ in range(steps):
            self.judge.measure(self.sampler)


class BarePasses(Evaluation):
    """The forward passes of the same samples: generator, conversion to bytes, extractor."""

    def advance(self, steps: int) -> None:
        """Run the passes of all samples `steps` times."""
        for _ in range(steps):
            for samples in self.sampler(self.judge.samples):
                self.judge.extractor(as_stored(samples))


def shares(judge: Judge, sampler: Sampler, times: int) -> dict[str, float]:
    """Return the median processor seconds of each part of an evaluation after the forward passes.

    Inputs that several metrics share are computed, and timed, before the metrics. Inputs from the real
    samples alone are computed once for all evaluations and not timed.
    """
    batches = []
    for samples in sampler(judge.samples):
        stored = as_stored(samples)
        batches.append((stored, judge.extractor(stored)))
    seconds: dict[str, list[float]] = {}

    def timed(name: str, compute: Any) -> None:
        start = time.process_time()
        compute()
        seconds.setdefault(name, []).append(time.process_time() - start)

    real = judge.reference.statistics
    training = TrainingFeatures(judge.reference.searched, real.moments.mean)
    for _ in range(times):
        observed = SampleStatistics(judge.extractor, "generated samples", kept=judge.paired)
        timed("moments and counts", lambda: [observed.update(*batch) for batch in batches])  # noqa: B023
        compared = MetricInputs(observed, real, judge.paired, training_features=training)
        compared.real_features.neighbours  # noqa: B018
        timed("distances", lambda: compared.distances)  # noqa: B023
        timed("neighbours", lambda: compared.generated_features.neighbours)  # noqa: B023
        for metric in metrics_for(judge.extractor):
            timed(metric.recorded_as(judge.extractor), lambda: metric.compute(compared))  # noqa: B023
    return {name: median(each) for name, each in seconds.items()}


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Evaluate samples of an untrained generator with the shipped extractor."""
    setup = quiet_setup(quick(name, request.threads, eval_samples=SAMPLES, device="cpu"))
    sampler = make_sampler(setup.variant.generator, setup.variant.draw_latent, 0, setup.device)
    evaluation, bare = Evaluation(setup.judge, sampler), BarePasses(setup.judge, sampler)
    rounds = request.pairs or PAIRS
    comparison = compare({"evaluation": evaluation, "bare": bare}, 1, rounds)
    # without the blocks of the warm-up
    whole, passes = (side.processor_seconds[-rounds:] for side in (evaluation, bare))
    return comparison.describe() | {
        "samples": SAMPLES,
        "compared": setup.judge.paired,
        "ratio": comparison.ratio("evaluation", "bare"),
        "processor_seconds": {"evaluation": whole, "bare": passes},
        "processor_ratio": spread([a / b for a, b in zip(whole, passes, strict=True)]),
        "processor_seconds_after_the_passes": shares(setup.judge, sampler, rounds),
    }


def measure(request: Request) -> dict[str, Any]:
    """Measure the requested variants, by default one."""
    return measure_each(list(request.variants or (VARIANT,)), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """Return a table with a row per variant, and notes on the parts after the forward passes."""
    header = ["variant", "samples", "evaluation / passes", "by the processor's clock", "processor s"]
    rows, notes = [], []
    for name, row in result.items():
        if "error" in row:
            continue
        ratios = [with_quartiles(row[kind]) for kind in ("ratio", "processor_ratio")]
        spent = median(row["processor_seconds"]["evaluation"])
        rows.append([name, f"{row['samples']:,}", *ratios, f"{spent:.2f}"])
        parts = sorted(row["processor_seconds_after_the_passes"].items(), key=lambda part: -part[1])
        listed = ", ".join(f"{part} {100 * seconds / spent:.1f}%" for part, seconds in parts)
        notes.append(f"{name}, after the passes: {listed}")
    return with_notes(markdown(header, rows), notes, result)
