"""All figures of one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench import datasets
from bench.datasets import DataArray
from bench.figures import plane, style
from bench.figures.grid import tiled, to_bytes
from bench.figures.interpolation import draw_between_reals, draw_between_samples
from bench.figures.missing_bins import BINNED, draw_missing, fill
from bench.figures.neighbours import (
    NO_JUDGE,
    NOT_AT_HAND,
    draw_neighbours,
    features_of,
    nearest_by_features,
    nearest_by_pixels,
)
from bench.figures.panels import draw_panels
from bench.figures.reconstruction import draw_triptych
from bench.figures.run_trajectories import Judged, save_trajectories
from bench.figures.samples_by_step import BY_STEP, draw_samples_by_step, shared_steps
from bench.judging import extractors
from bench.judging.extractors.images import DigitsGarments
from bench.judging.protocol import Extractor
from bench.judging.reference import pairing_order
from bench.runs import record
from bench.runs.class_rows import COLUMNS, classes_shown
from bench.runs.code_sweeps import sweep
from bench.runs.data_location import samples_of
from bench.runs.generator import TrainedGenerator, load
from bench.runs.latent_paths import PATHS
from bench.runs.run_folder import RunFolder
from bench.system import paths
from bench.system.errors import RequestError
from variants.noise import derive_seed

SHOWN = 25  # images of a panel of the triptych
POINTS = 2000  # of each kind in a figure
COMPARED = 8  # samples whose neighbours are shown
ROWS, STEPS = 4, 9  # of an interpolation
# Features (images x width) computed for a run's own figures at its end: seconds with the shipped network
FEATURES_AT_END = 640_000


@dataclass(frozen=True)
class Materials:
    """The networks, data and extractor that a run's figures are drawn from.

    Attributes
    ----------
    trained : TrainedGenerator
        The networks.
    array : DataArray
        The training samples.
    extractor : Extractor or None
        The judge's; None for a run without a judge.
    """

    trained: TrainedGenerator
    array: DataArray
    extractor: Extractor | None


def extractor_of(run: RunFolder, array: DataArray) -> Extractor | None:
    """Return the extractor with which a run on these samples was judged; None for a run without a judge.

    Raises
    ------
    WorkError
        If its weights are not on this machine.
    """
    description = run.describe()
    if not description.is_judged:
        return None
    # networks draw weights before they load theirs
    with torch.random.fork_rng(devices=[]):
        return extractors.extractor_for(
            datasets.judged_by(description.config.dataset),
            paths.cache(),
            channels=array.samples.shape[1],
            modes=array.modes,
            preferred=extractors.names_by_metric().get(description.metric, DigitsGarments.name),
        )


def draw_run(
    run: RunFolder,
    checkpoint: str = "best",
    folder: Path | None = None,
    array: DataArray | None = None,
    extractor: Extractor | None = None,
) -> list[Path]:
    """Draw all figures of a run.

    These are trajectories; of images triptych, neighbours, bins of training images that hold too few
    samples, interpolations, of conditional runs a row of samples for each class, and a grid for each code
    that the variant declares; of points generated over real ones, such bins, the error of reconstructions
    over the plane, and samples by step. A variant that encodes nothing has no reconstructions, no
    interpolation between real images and no such error. The same run gives the same bytes; torch's random
    state is left alone.

    Parameters
    ----------
    run : RunFolder
        A run with a checkpoint.
    checkpoint : str
        ``best`` (by Fréchet distance), ``best-NAME`` (by a scalar that selects), ``last`` or a step that has
        a checkpoint.
    folder : Path, optional
        Destination; the run's own figures where not given.
    array : DataArray, optional
        The training samples, if they are loaded already.
    extractor : Extractor, optional
        The judge's, if it is loaded already.

    Returns
    -------
    list of Path
        The files, a PNG and an SVG of each figure.

    Raises
    ------
    RequestError
        If there is no such checkpoint.
    WorkError
        If the data or the judge's network is not on this machine, or a file is damaged.
    """
    trained = load(run, checkpoint)
    array = array or samples_of(run.describe())
    materials = Materials(trained, array, extractor or extractor_of(run, array))
    folder = folder or run.figures
    return draw_trajectories(run, folder) + draw_samples(materials, folder)


def draw_trajectories(run: RunFolder, folder: Path | None = None) -> list[Path]:
    """Draw the scalars and metrics of a run from its record; nothing where it has no steps."""
    recorded, description = record.read(run.record_path), run.describe()
    judged = Judged(
        recorded.evaluations, description.metric, dict(description.real), recorded.evaluations_set_aside
    )
    path = (folder or run.figures) / "trajectories"
    extended_at = [each.event.step for each in recorded.extensions]
    return save_trajectories(recorded.steps, description.scalars, name_of(run), path, judged, extended_at)


def draw_samples(materials: Materials, folder: Path, most_features: int | None = None) -> list[Path]:
    """Draw the figures that show samples.

    Parameters
    ----------
    materials : Materials
        Networks, data and extractor.
    folder : Path
        Destination.
    most_features : int, optional
        Neighbours are searched by features only if these are cached, or if no more than so many numbers
        (images x width) have to be computed; no limit where not given.

    Returns
    -------
    list of Path
        The files.
    """
    title = _title(materials.trained)
    if materials.trained.makes_points:
        return _save_points(materials, title, folder)
    files = _save_triptych(materials, title, folder)
    files += _save_classes(materials.trained, title, folder)
    files += _save_codes(materials.trained, title, folder)
    files += _save_neighbours(materials, title, folder, most_features)
    files += _save_missing(materials, title, folder, most_features)
    return files + _save_interpolations(materials, title, folder)


def name_of(run: RunFolder) -> str:
    """Return a run's variant, data set and seed, for titles."""
    config = run.describe().config
    return f"{config.variant}, {datasets.label(config.dataset)}, seed {config.seed}"


def _title(trained: TrainedGenerator) -> str:
    return f"{name_of(trained.run)}, step {trained.step:,}"


def some_reals(array: DataArray, count: int, seed: int = 0) -> Tensor:
    """Draw real images, float32 (count, C, H, W) in [-1, 1], or points: the same ones for equal data."""
    draw = torch.Generator().manual_seed(derive_seed(seed, "real images of figures"))
    return _reals(array, torch.randint(array.count, (count,), generator=draw))


def some_reals_of(array: DataArray, labels: Sequence[int], seed: int = 0) -> Tensor:
    """Draw a real sample of each of `labels`, as :func:`some_reals` does.

    Raises
    ------
    RequestError
        If a class has no samples.
    """
    assert array.labels is not None
    draw = torch.Generator().manual_seed(derive_seed(seed, "real images of classes"))
    chosen = []
    for label in labels:
        (members,) = np.nonzero(array.labels == label)
        if not len(members):
            raise RequestError(f"class {array.class_names[label]} has no images")
        chosen.append(int(members[torch.randint(len(members), (), generator=draw)]))
    return _reals(array, torch.tensor(chosen))


def _reals(array: DataArray, chosen: Tensor) -> Tensor:
    samples = torch.from_numpy(array.samples[chosen.numpy()])
    return samples if array.modes else samples.float() / 127.5 - 1


def _save_points(materials: Materials, title: str, folder: Path) -> list[Path]:
    trained, array = materials.trained, materials.array
    centres = None if array.modes is None else array.modes.centres
    real, generated = some_reals(array, POINTS), trained.sample(POINTS)
    files = style.save(plane.draw_overlay(real, generated, centres, title), folder / "points")
    filled = fill(array.samples[pairing_order(array.count)[:BINNED]], generated.numpy())
    files += style.save(plane.draw_missing(filled, title), folder / "missing-bins")
    where = torch.from_numpy(plane.places())
    reconstructed = trained.reconstruct(where)
    if reconstructed is not None:
        error = (where - reconstructed).norm(dim=1).numpy()
        figure = plane.draw_landscape(error, real, generated, centres, title)
        files += style.save(figure, folder / "landscape")
    if steps := shared_steps([trained.run]):
        figure = draw_samples_by_step([trained.run], steps, f"{datasets.label(array.name)}: {BY_STEP}")
        files += style.save(figure, folder / "samples-by-step")
    return files


def _save_triptych(materials: Materials, title: str, folder: Path) -> list[Path]:
    real, trained = some_reals(materials.array, SHOWN), materials.trained
    form = trained.variant.reconstruction
    figure = draw_triptych(real, trained.reconstruct(real), trained.sample(SHOWN), title, reconstruction=form)
    return style.save(figure, folder / "triptych")


def _save_classes(trained: TrainedGenerator, title: str, folder: Path) -> list[Path]:
    """Draw a row of samples for each class; nothing for an unconditional run."""
    names = trained.class_names
    if not names:
        return []
    shown = classes_shown(len(names))
    samples = trained.sample_classes(shown, COLUMNS).unflatten(0, (len(shown), COLUMNS))
    rows = [[tiled(to_bytes(of_class), COLUMNS)] for of_class in samples]
    figure = draw_panels(rows, title, ["G([z, y]), a class y in each row"], [names[label] for label in shown])
    return style.save(figure, folder / "classes")


def _save_codes(trained: TrainedGenerator, title: str, folder: Path) -> list[Path]:
    """Draw a grid for each code that the variant declares."""
    files: list[Path] = []
    for code in trained.codes:
        swept = sweep(trained, code)
        rows = [[tiled(to_bytes(row), len(row))] for row in swept.samples]
        figure = draw_panels(rows, title, [swept.caption], swept.row_labels)
        files += style.save(figure, folder / f"code-{code.name}")
    return files


def _save_neighbours(materials: Materials, title: str, folder: Path, most: int | None) -> list[Path]:
    samples, array = materials.trained.sample(COMPARED), materials.array
    by_features, extractor = None, materials.extractor
    by_pixels = nearest_by_pixels(samples, array.samples)
    title += f"\nnearest of {array.count:,} training images"
    features = None if extractor is None else features_of(array, extractor, paths.cache(), most)
    if extractor is not None and features is not None:
        by_features = nearest_by_features(samples, features, extractor)
        title += f"; features of {extractor.name}"
    why_not = NO_JUDGE if extractor is None else NOT_AT_HAND
    figure = draw_neighbours(samples, array.samples, by_pixels, by_features, title, why_not)
    return style.save(figure, folder / "neighbours")


def _save_missing(materials: Materials, title: str, folder: Path, most: int | None) -> list[Path]:
    """Draw the bins of training images that hold too few samples; nothing where features are not at hand."""
    trained, array, extractor = materials.trained, materials.array, materials.extractor
    if extractor is None:
        return []
    figure = draw_missing(trained, array, extractor, paths.cache(), title, most)
    return [] if figure is None else style.save(figure, folder / "missing-bins")


def _save_interpolations(materials: Materials, title: str, folder: Path) -> list[Path]:
    trained = materials.trained
    start, end = trained.pairs_of_latents(ROWS)
    sampled = {path: trained.interpolate(start, end, STEPS, path) for path in PATHS}
    files = style.save(draw_between_samples(sampled, title), folder / "interpolation-samples")
    real = some_reals(materials.array, 2 * ROWS)
    encoded = {path: trained.interpolate_images(real[:ROWS], real[ROWS:], STEPS, path) for path in PATHS}
    decoded = {path: images for path, images in encoded.items() if images is not None}
    if decoded:
        figure = draw_between_reals((real[:ROWS], real[ROWS:]), decoded, title)
        files += style.save(figure, folder / "interpolation-encoded")
    return files
