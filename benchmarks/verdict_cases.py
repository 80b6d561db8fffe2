"""Cases of the verdict: samplers of known truth with their metrics, measured once and kept as JSON lines."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from made_samplers import MECHANISMS, Pool, Truth, seeded
from torch import Tensor

from bench import datasets
from bench.configuration import Harness, resolve
from bench.datasets.arrays import DataArray
from bench.datasets.folder import Folder
from bench.judging.extractors import extractor_for
from bench.judging.judge import Judge
from bench.judging.protocol import knows
from bench.judging.reference import reference_statistics
from bench.runs.data_location import load_configured
from bench.system import paths
from bench.system.errors import RequestError

FACES = "faces"
DATA = {
    "ring-8": "points",
    "grid-25": "points",
    "stacked-mnist": "digits",
    "mnist": "digits",
    "fashion-mnist": "garments",
    "cifar10": "photographs",
    FACES: "photographs",
}
"""The data sets, and what kind of data each is."""
IN_DATA_ROOT = frozenset(("mnist", "fashion-mnist", "cifar10"))
SIZES = {"cifar10": 32, FACES: 64}  # pixels; of other data the preset's
# No sign uses the metric, and it takes longer than all others together.
NOT_MEASURED = frozenset(("ms_ssim",))


@dataclass(frozen=True)
class Case:
    """One judged sampler.

    Attributes
    ----------
    data : str
        Data set.
    mechanism : str
        How the samples were made.
    degree : float
        Degree of the change, in a unit that depends on the mechanism.
    seed : int
        Seed of the real samples that the sampler is made from, and of all its random choices.
    truth : {"collapsed", "memorised", "well"} or None
        By construction; None between the clear cases.
    samples : int
        Number of samples.
    values, real : dict
        Metrics of the sampler, and of held-out real samples.
    """

    data: str
    mechanism: str
    degree: float
    seed: int
    truth: Truth | None
    samples: int
    values: dict[str, float]
    real: dict[str, float]

    @property
    def cluster(self) -> tuple[str, str]:
        """Mechanism and data set: the cases of a cluster are alike."""
        return self.mechanism, self.data


@dataclass(frozen=True)
class Wanted:
    """Which cases of a data set to measure.

    Attributes
    ----------
    data : str
        One of :data:`DATA`.
    samples, seeds : int
        Samples of each case; generators of each mechanism and degree.
    data_root, faces : Path or None
        Folder of the published data sets; folder of UTKFace.
    """

    data: str
    samples: int
    seeds: int
    data_root: Path | None = None
    faces: Path | None = None

    def harness(self) -> Harness:
        """Return the settings by which the data are loaded and judged."""
        given: dict[str, object] = {"variant": "began", "dataset": self.data, "extractor": "shipped"}
        given |= {"eval_samples": self.samples}
        if self.data in IN_DATA_ROOT:
            given["data_root"] = str(self.data_root)
        if self.data == FACES:
            given["dataset"] = f"folder:{self.faces}"
        if size := SIZES.get(self.data):
            given["image_size"] = size
        return resolve(given).harness

    @property
    def kind(self) -> str:
        """What kind of data it is."""
        return DATA[self.data]


def read(path: Path) -> list[Case]:
    """Return the cases of a file of JSON lines, with today's truth; none where there is no file."""
    if not path.is_file():
        return []
    cases = (Case(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines())
    return [case for case in cases if case.degree in MECHANISMS[case.mechanism].degrees]


def append(path: Path, case: Case) -> None:
    """Add a case to a file of JSON lines."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(case)) + "\n")


def measured(wanted: Wanted, known: list[Case]) -> Iterator[Case]:
    """Make and judge the cases of a data set that are not yet known."""
    done = {(case.data, case.mechanism, case.degree, case.seed, case.samples) for case in known}
    every = [
        (kind, degree, seed)
        for seed in range(wanted.seeds)
        for kind in MECHANISMS.values()
        if wanted.kind in kind.kinds_of_data
        for degree in kind.degrees
    ]
    # of every seed the clear cases first: a measurement that is cut off has all mechanisms
    every.sort(key=lambda each: (each[2], each[0].degrees[each[1]] is None))
    left = [
        (kind, degree, seed)
        for kind, degree, seed in every
        if (wanted.data, kind.name, degree, seed, wanted.samples) not in done
    ]
    if not left:
        return
    judge, real, pools = judged(wanted)
    names = set(judge.metrics) - NOT_MEASURED
    for kind, degree, seed in left:
        made = kind.make(pools[seed], degree, seeded(kind.name, degree, seed))
        if made is not None:
            values = judge.measure(sampler_of(made), names)
            truth = kind.degrees[degree]
            yield Case(wanted.data, kind.name, degree, seed, truth, wanted.samples, values, real)


def sampler_of(samples: Tensor) -> Callable[[int], Iterator[Tensor]]:
    """Return a sampler that yields these samples in batches of 250."""

    def sampler(count: int) -> Iterator[Tensor]:
        yield from samples[:count].split(250)

    return sampler


@dataclass(frozen=True)
class Halves:
    """A data set, cut in two at random: training samples of a judge, and samples to make samplers from.

    Attributes
    ----------
    array : DataArray
        The whole data set.
    training : ndarray
        The first half: images uint8 (N, C, H, W) or points float32 (N, 2).
    others : ndarray
        Places of the second half in the array, int64 (N,).
    kinds : ndarray
        Label, mode or kind of face of each sample of the array, int64 (N,).
    """

    array: DataArray
    training: np.ndarray
    others: np.ndarray
    kinds: np.ndarray

    @property
    def hash(self) -> str:
        """Identity of the training samples, hexadecimal."""
        return hashlib.sha256(f"first half of {self.array.hash}".encode()).hexdigest()

    def pools(self, parts: int, samples: int) -> list[Pool]:
        """Return pools for samplers of so many samples.

        They are disjoint where each has ten times as many samples; else each is the whole half.
        """
        split = len(self.others) >= 10 * samples * parts
        places = np.array_split(self.others, parts) if split else [self.others] * parts
        return [
            Pool(np.array(self.array.samples[part]), self.kinds[part], self.training, samples)
            for part in places
        ]


def halves(harness: Harness, faces: Path | None) -> Halves:
    """Load a data set and cut it in two; the kinds of the images in the folder `faces` are by their names."""
    array = load_configured(harness, lambda _: None)
    kinds = kinds_of_faces(faces, array.count) if harness.dataset == f"folder:{faces}" else array.labels
    assert kinds is not None
    order = np.random.default_rng(0).permutation(array.count)
    training = np.array(array.samples[np.sort(order[: array.count // 2])])
    return Halves(array, training, order[array.count // 2 :], kinds)


def judged(wanted: Wanted) -> tuple[Judge, dict[str, float], list[Pool]]:
    """Return the judge of one half of the data, the scores of real samples, and pools of the other half.

    The halves are disjoint, as the training samples and those of a generator that has not memorised them.
    """
    harness = wanted.harness()
    parts = halves(harness, wanted.faces)
    array, training = parts.array, parts.training
    extractor = extractor_for(
        datasets.judged_by(harness.dataset),
        paths.cache(),
        channels=None if wanted.kind == "points" else array.samples.shape[1],
        modes=array.modes,
        preferred=harness.extractor,
    )
    reference = reference_statistics(extractor, training, parts.hash, wanted.data, paths.cache())
    content = datasets.content(harness.dataset)
    judge = Judge(extractor, reference, wanted.samples, in_training=knows(extractor, content))
    real = judge.measure_real(training, paths.cache())
    return judge, real, parts.pools(wanted.seeds, wanted.samples)


def kinds_of_faces(folder: Path | None, count: int) -> np.ndarray:
    """Return the kind of each image of UTKFace, int64 (N,): sex and ethnicity.

    The files are named ``AGE_SEX_ETHNICITY_DATE.jpg``; those that are not form a kind.
    """
    names = [name.split("_") for name in Folder.from_name(f"folder:{folder}").listing.images]
    if len(names) != count:
        raise RequestError(f"{folder}: {len(names):,} files for {count:,} images")
    kinds = ["_".join(name[1:3]) if len(name) == 4 else "" for name in names]
    return np.unique(kinds, return_inverse=True)[1]
