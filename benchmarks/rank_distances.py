"""Measure how alike the networks rank sets of images: rank correlation of their distances with `fid`.

``python benchmarks/rank_distances.py --sets FILE.jsonl --data cifar10|faces [--data-root DIR] [--faces DIR]``
changes real images in known ways (made_samplers.py) and takes samples of trained runs: the last checkpoints
of all finished runs of ``BENCH_HOME`` on that data at that size. Each set is judged by every network and
added to FILE at once: a second call measures what is missing and prints the tables again. Prints Markdown
tables.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from made_samplers import MECHANISMS, seeded
from scipy.stats import spearmanr
from score_runs import finished_runs
from tables import markdown
from torch import Tensor
from verdict_cases import FACES, IN_DATA_ROOT, Halves, Wanted, halves

from bench.configuration import Harness
from bench.judging.extractors import extractor_for
from bench.judging.judge import as_stored
from bench.judging.metrics.frechet import frechet_distance
from bench.judging.moments import Moments
from bench.judging.protocol import Extractor
from bench.runs.generator import load
from bench.system import paths
from bench.training.device import keep_freed_memory

SIZE = 32  # pixels
NETWORKS = ("inception", "shipped", "efficientnet-lite0")
STANDARD = "fid"
# What is done to real images, and by how much.
CHANGES: Mapping[str, tuple[float, ...]] = {
    "real": (1,),
    "blur": (3, 5, 7),
    "halved resolution": (0.5,),
    "noise": (0.05, 0.1, 0.3, 0.5),
    "salt and pepper": (0.1,),
    "JPEG": (60, 30, 10),
    "less contrast": (0.8,),
    "gamma": (0.7,),
    "PCA reconstruction": (0.8,),
    "mirrored": (1,),
    "kinds missing": (0.1, 0.3, 0.5),
    "one kind prevails": (0.5,),
    "samples repeated": (0.02, 0.1),
    "few images, turned and shifted": (50,),
    "mixtures of few images": (100,),
    "low rank": (16,),
}
RUN = "samples of a run"
DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class JudgedSet:
    """A set of images with its distances to the real images.

    Attributes
    ----------
    data : str
        ``cifar10`` or ``faces``.
    origin : str
        What was done to real images, or :data:`RUN`.
    detail : str
        The degree of the change; variant and seed of a run.
    samples : int
        Number of images.
    distances : dict
        Fréchet distance by the name of the metric.
    seconds : dict
        Processor seconds of an image, by the name of the metric.
    """

    data: str
    origin: str
    detail: str
    samples: int
    distances: dict[str, float]
    seconds: dict[str, float]


@click.command(help=__doc__.splitlines()[0])
@click.option("--sets", "path", type=click.Path(path_type=Path), required=True, help="File of JSON lines.")
@click.option("--data", type=click.Choice(["cifar10", FACES]), required=True, help="The real images.")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder of CIFAR-10.")
@click.option("--faces", type=click.Path(path_type=Path), help="Folder of UTKFace's files.")
@click.option("--samples", default=250, show_default=True, help="Images of each set.")
@click.option("--reference", default=1000, show_default=True, help="Real images, to which distances are.")
def main(
    path: Path, data: str, data_root: Path | None, faces: Path | None, samples: int, reference: int
) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()  # as runs do
    if not (data_root if data in IN_DATA_ROOT else faces):
        raise click.UsageError(f"{data}: {'--data-root' if data in IN_DATA_ROOT else '--faces'} is needed")
    known = read(path)
    for judged in measured(Wanted(data, samples, 1, data_root, faces), reference, known):
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(judged)) + "\n")
        known.append(judged)
        print(f"{data}: {len(known)} sets", file=sys.stderr)
    sets = [each for each in known if each.samples == samples]
    print("\n\n".join((by_network(sets), by_set(sets))))


def read(path: Path) -> list[JudgedSet]:
    """Return the sets of a file of JSON lines; none where there is no file."""
    if not path.is_file():
        return []
    return [JudgedSet(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def measured(wanted: Wanted, reference: int, known: Sequence[JudgedSet]) -> Iterator[JudgedSet]:
    """Make and judge the sets of a data set that are not yet known."""
    harness = wanted.harness().model_copy(update={"image_size": SIZE})
    parts = halves(harness, wanted.faces)
    done = {(each.origin, each.detail) for each in known if each.data == wanted.data}
    left = [each for each in sets_of(harness, parts, wanted.samples) if each[:2] not in done]
    if not left:
        return
    extractors = [
        extractor_for("images", paths.cache(), channels=3, preferred=name, allow_download=False)
        for name in NETWORKS
    ]
    chosen = np.random.default_rng(0).permutation(len(parts.training))[:reference]
    real = torch.from_numpy(parts.training[np.sort(chosen)])
    references = [moments_of(extractor, real)[0] for extractor in extractors]
    for origin, detail, make in left:
        images, distances, seconds = make(), {}, {}
        for extractor, moments in zip(extractors, references, strict=True):
            found, cost = moments_of(extractor, images)
            distances[extractor.metric], seconds[extractor.metric] = frechet_distance(moments, found), cost
        yield JudgedSet(wanted.data, origin, detail, len(images), distances, seconds)


def sets_of(harness: Harness, parts: Halves, samples: int) -> Iterator[tuple[str, str, Callable[[], Tensor]]]:
    """Yield origin and detail of each set, and the function that makes it, uint8 (samples, C, H, W)."""
    (pool,) = parts.pools(1, samples)
    for name, degrees in CHANGES.items():
        for degree in degrees:
            yield (
                name,
                f"{degree:g}",
                lambda name=name, degree=degree: as_stored(  # type: ignore[misc]
                    MECHANISMS[name].make(pool, degree, seeded(name, degree, 0))
                ),
            )
    for run, configuration in finished_runs(harness.data_root):
        same = configuration.harness.dataset == harness.dataset
        if same and configuration.harness.image_size == SIZE:
            detail = f"{configuration.variant.name} seed {configuration.harness.seed}"
            yield RUN, detail, lambda run=run: as_stored(load(run, "last").sample(samples))  # type: ignore[misc]


def moments_of(extractor: Extractor, images: Tensor) -> tuple[Moments, float]:
    """Return the moments of the features of images, and the processor seconds of an image."""
    start = time.process_time()
    features = extractor(images).features
    seconds = (time.process_time() - start) / len(images)
    return Moments(extractor.width).update(features), seconds


def by_network(sets: Sequence[JudgedSet]) -> str:
    """Return a table of each network's rank correlation with `fid`, on all sets and on parts of them."""
    rows = []
    for data in dict.fromkeys(each.data for each in sets):
        own = [each for each in sets if each.data == data]
        groups = {
            "all": own,
            "changed real images": [each for each in own if each.origin != RUN],
            RUN: [each for each in own if each.origin == RUN],
        }
        for metric in [name for name in own[0].distances if name != STANDARD]:
            cost = np.median([each.seconds[metric] / each.seconds[STANDARD] for each in own])
            cells = [correlation(group, metric) for group in groups.values()]
            rows.append([data, f"`{metric}`", *cells, f"1/{1 / cost:.0f}"])
    return markdown(["data", "distance", "all sets", "changed real images", RUN, "cost"], rows, left=(0, 1))


def correlation(sets: Sequence[JudgedSet], metric: str) -> str:
    """Return Spearman's correlation with `fid`, its 95% bootstrap interval over sets, and their number."""
    if len(sets) < 3:
        return "-"
    pairs = np.array([(each.distances[STANDARD], each.distances[metric]) for each in sets])
    random = np.random.default_rng(0)
    drawn = [pairs[random.integers(len(pairs), size=len(pairs))] for _ in range(DRAWS)]
    values = [spearmanr(*each.T).statistic for each in drawn if np.ptp(each, axis=0).all()]
    low, high = np.percentile(values, (2.5, 97.5))
    return f"{spearmanr(*pairs.T).statistic:.3f} ({low:.2f} to {high:.2f}), n {len(pairs)}"


def by_set(sets: Sequence[JudgedSet]) -> str:
    """Return a table of all sets with their distances and, in parentheses, their places by each network."""
    rows = []
    for data in dict.fromkeys(each.data for each in sets):
        own = [each for each in sets if each.data == data]
        metrics = list(own[0].distances)
        places = {
            metric: np.argsort(np.argsort([each.distances[metric] for each in own])) + 1 for metric in metrics
        }
        for number in np.argsort(places[STANDARD]):
            each = own[number]
            cells = [f"{each.distances[metric]:.3g} ({places[metric][number]})" for metric in metrics]
            rows.append([data, each.origin, each.detail, *cells])
    header = ["data", "set", "degree", *(f"`{metric}`" for metric in sets[0].distances)]
    return markdown(header, rows, left=(0, 1, 2))


if __name__ == "__main__":
    main()
