"""Where the data of a run lie: at the recorded place, or in a folder to which they were moved."""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from bench import datasets
from bench.configuration import Configuration, Harness
from bench.datasets import DataArray
from bench.datasets.zip_files import is_zip_file
from bench.runs.description import RunDescription
from bench.runs.generator import configuration_of
from bench.system import paths
from bench.system.errors import RequestError, WorkError, shown


def configuration_at(description: RunDescription, folder: Path | None = None) -> Configuration:
    """Return the configuration of a run, with its data in a folder.

    Parameters
    ----------
    description : RunDescription
        What run.json says.
    folder : Path, optional
        The folder or zip file of a run on ``folder:PATH``, or the folder of the published data sets for a run
        on one of them. The recorded place where not given.

    Raises
    ------
    RequestError
        If the folder does not exist or cannot hold such data, or if the recorded folder of images is gone and
        no other one is given.
    """
    configuration = configuration_of(description)
    name = configuration.harness.dataset
    if folder is None:
        if not datasets.is_present(name):
            raise RequestError(
                f"run {description.name} was trained on {name}, which is not here: where its images "
                "moved, name their folder by --data PATH"
            )
        return configuration
    if not folder.is_dir() and not is_zip_file(str(folder)):
        raise RequestError(f"--data {shown(str(folder))} is neither a folder nor a zip file")
    place = datasets.moved(name, folder)
    root = place.data_root or configuration.harness.data_root
    return configuration.with_values(dataset=place.name, data_root=root)


def load_configured(harness: Harness, notify: Callable[[str], None]) -> DataArray:
    """Return the training samples that a configuration names; errors as :func:`bench.datasets.load`.

    Parameters
    ----------
    harness : Harness
        Data set, size, channels and crop of images, the share that is held out, the folder of published data.
    notify : callable
        Reports slow work, a line per call.
    """
    return datasets.load(harness.dataset, **_wanted(harness), notify=notify)


def load_configured_held_out(harness: Harness, notify: Callable[[str], None]) -> DataArray | None:
    """Return the held-out samples that belong to a configuration, as :func:`bench.datasets.load_held_out`.

    Parameters
    ----------
    harness, notify
        As for :func:`load_configured`.
    """
    return datasets.load_held_out(harness.dataset, **_wanted(harness), notify=notify)


class _Wanted(TypedDict):
    """Parameters of :func:`bench.datasets.load`."""

    image_size: int | None
    channels: int | None
    crop: str | None
    held_out: float
    data_root: Path
    cache: Path


def _wanted(harness: Harness) -> _Wanted:
    return {
        "image_size": harness.image_size,
        "channels": harness.channels,
        "crop": harness.crop,
        "held_out": harness.held_out,
        "data_root": Path(harness.data_root) if harness.data_root else paths.datasets(),
        "cache": paths.cache(),
    }


def samples_of(
    description: RunDescription, folder: Path | None = None, notify: Callable[[str], None] = lambda _: None
) -> DataArray:
    """Return the samples that a run was trained on.

    Parameters
    ----------
    description, folder
        As for :func:`configuration_at`.
    notify : callable
        Reports slow work, a line per call.

    Raises
    ------
    RequestError
        As :func:`configuration_at`; also if the folder has other data.
    WorkError
        If the data at the recorded place are missing or have changed.
    """
    array = load_configured(configuration_at(description, folder).harness, notify)
    if array.hash == description.data.hash:
        return array
    hashes = f"{array.hash[:8]}, not {description.data.hash[:8]}"
    if folder is not None:
        raise RequestError(
            f"--data {shown(str(folder))} has other data than run {description.name} was trained on: "
            f"the hash is {hashes}"
        )
    raise WorkError(f"the data of run {description.name} changed since: the hash of {array.name} is {hashes}")
