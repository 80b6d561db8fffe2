"""What judging costs: a whole evaluation over the bare forward passes that it cannot do without."""

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
from bench.training.sampler import Sampler, make_sampler
from sections import Request, for_each

TITLE = "Evaluation: time of an evaluation / the generator's and the extractor's forward passes alone"
PAIRS = 9
SAMPLES = 5000
VARIANT = "began-v3"  # unless others are asked for


class Evaluation(Side):
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

    def rest(self) -> None:
        """Read the processor's clock."""
        self.processor_seconds.append(time.process_time() - self._started)

    def advance(self, steps: int) -> None:
        """Evaluate so many times."""
        for _ in range(steps):
            self.judge.measure(self.sampler)


class BarePasses(Evaluation):
    """The forward passes of the same samples: generator, bytes, extractor; nothing is kept."""

    def advance(self, steps: int) -> None:
        """Pass all samples so many times."""
        for _ in range(steps):
            for samples in self.sampler(self.judge.samples):
                self.judge.extractor(as_stored(samples))


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
        observed = SampleStatistics(judge.extractor, "generated samples", kept=judge.paired)
        timed("moments and counts", lambda: [observed.update(*batch) for batch in seen])  # noqa: B023
        compared = MetricInputs(observed, judge.reference.statistics, judge.paired)
        compared.real_features.neighbours  # noqa: B018
        timed("distances", lambda: compared.distances)  # noqa: B023
        timed("neighbours", lambda: compared.generated_features.neighbours)  # noqa: B023
        for metric in metrics_for(judge.extractor):
            timed(metric.recorded_as(judge.extractor), lambda: metric.compute(compared))  # noqa: B023
    return {name: median(each) for name, each in seconds.items()}


def measure_one(name: str, request: Request) -> dict[str, Any]:
    """Judge samples of an untrained generator with the shipped extractor."""
    setup = quiet_setup(quick(name, request.threads, eval_samples=SAMPLES, device="cpu"))
    sampler = make_sampler(setup.variant.generator, setup.variant.draw_latent, 0, setup.device)
    evaluation, bare = Evaluation(setup.judge, sampler), BarePasses(setup.judge, sampler)
    rounds = request.pairs or PAIRS
    comparison = compare({"evaluation": evaluation, "bare": bare}, 1, rounds)
    # of the blocks that are compared; those before warmed up
    spent, least = (side.processor_seconds[-rounds:] for side in (evaluation, bare))
    return comparison.describe() | {
        "samples": SAMPLES,
        "compared": setup.judge.paired,
        "ratio": comparison.ratio("evaluation", "bare"),
        "processor_seconds": {"evaluation": spent, "bare": least},
        "processor_ratio": spread([a / b for a, b in zip(spent, least, strict=True)]),
        "processor_seconds_after_the_passes": shares(setup.judge, sampler, rounds),
    }


def measure(request: Request) -> dict[str, Any]:
    """One variant, unless several are asked for."""
    return for_each(list(request.variants or (VARIANT,)), lambda name: measure_one(name, request))


def table(result: dict[str, Any]) -> str:
    """One row a variant, and below it what follows the passes."""
    header = ["variant", "samples", "evaluation / passes", "by the processor's clock", "processor s"]
    rows, notes = [], []
    for name, row in result.items():
        if "error" in row:
            continue
        ratios = [with_quartiles(row[kind]) for kind in ("ratio", "processor_ratio")]
        spent = median(row["processor_seconds"]["evaluation"])
        rows.append([name, f"{row['samples']:,}", *ratios, f"{spent:.2f}"])
        parts = sorted(row["processor_seconds_after_the_passes"].items(), key=lambda part: -part[1])
        told = ", ".join(f"{part} {100 * seconds / spent:.1f}%" for part, seconds in parts)
        notes.append(f"{name}, after the passes: {told}")
    return with_notes(markdown(header, rows), notes, result)
