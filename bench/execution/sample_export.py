"""The samples that evaluations of a run judge, written to a file or a folder."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bench.datasets.samples.origin import SampleOrigin
from bench.datasets.samples.writing import require_new, write_folder, write_npz
from bench.execution.evaluation_sampler import evaluation_sampler
from bench.judging.judge import as_stored
from bench.runs.generator import TrainedGenerator, configuration_of
from bench.system.errors import RequestError, shown
from bench.system.leftovers import remove_leftovers
from bench.system.version import __version__
from bench.training.device import prepare
from bench.training.sampler import LabelledSampler

SampleFormat = Literal["npz", "folder", "png"]


def format_of(path: Path) -> SampleFormat:
    """Return what a path names: an .npz file, a folder of images (also a new one), or a PNG file.

    Raises
    ------
    RequestError
        If it names a file of another format.
    """
    match path.suffix:
        case ".npz":
            return "npz"
        case ".png":
            return "png"
    if path.is_dir() or not path.suffix:
        return "folder"
    raise RequestError(
        f"{shown(str(path))}: allowed are a grid FILE.png, all samples in FILE.npz, and a new folder "
        "(no suffix)"
    )


@dataclass(frozen=True)
class ExportedSamples:
    """Samples of a run in a file or a folder.

    Attributes
    ----------
    path : Path
        The file or folder.
    origin : SampleOrigin
        Run, step, seed and number of the samples.
    judged_again : str
        The command of the shell that measures them.
    """

    path: Path
    origin: SampleOrigin
    judged_again: str


def export_samples(
    trained: TrainedGenerator, path: Path, count: int | None = None, seed: int | None = None
) -> ExportedSamples:
    """Write the samples that an evaluation of the run judges, or more of them, batch by batch.

    Parameters
    ----------
    trained : TrainedGenerator
        The generator of a checkpoint; it is moved to the device of the run's configuration.
    path : Path
        An .npz file, or a new or empty folder for PNG files, with a subfolder for each class of a conditional
        run. It appears when it is complete.
    count : int, optional
        Number of samples; by default as many as in the run's evaluations, whose very samples these are then.
    seed : int, optional
        Seed of the latents; by default the run's.

    Raises
    ------
    RequestError
        If the path cannot be written so: a file of another format, a folder that is not empty, or points in a
        folder of images.
    WorkError
        If it cannot be written, or samples are not finite.
    """
    kind = format_of(path)
    if kind == "folder":
        if trained.makes_points:
            raise RequestError(f"{shown(str(path))}: points are no images: write them to FILE.npz")
        require_new(path)
    description = trained.run.describe()
    # evaluations are in float32, so samples of runs in bfloat16 can be drawn on a CPU without bfloat16
    harness = configuration_of(description).with_values(compute_dtype="float32").harness
    device = prepare(harness)
    number = harness.eval_samples if count is None else count
    origin = SampleOrigin(
        producer=f"began-bench {__version__}",
        run=description.name,
        run_id=description.id,
        variant=trained.variant.name,
        dataset=description.data.name,
        step=trained.step,
        seed=harness.seed if seed is None else seed,
        count=number,
        classes=trained.class_names,
    )
    sampler = evaluation_sampler(trained, harness, device, origin.seed)
    labels = sampler.labels(number).numpy() if isinstance(sampler, LabelledSampler) else None

    def batches() -> Iterator[np.ndarray]:
        for samples in sampler(number):
            yield as_stored(samples).numpy()

    remove_leftovers(path.parent, depth=0)
    write = write_npz if kind == "npz" else write_folder
    write(path, batches(), number, labels, origin)
    words = ["bench", "judge", str(path), "--against", harness.dataset]
    # samples of a run without a judge are judged by the default
    if not trained.makes_points and harness.extractor is not None:
        words += ["--extractor", harness.extractor]
    if harness.crop is not None:
        words += ["--crop", harness.crop]
    if harness.held_out:
        words += ["--held-out", repr(harness.held_out)]
    if harness.data_root:
        words += ["--data-root", harness.data_root]
    if harness.threads:
        words += ["--threads", str(harness.threads)]
    return ExportedSamples(path, origin, shlex.join(words))
