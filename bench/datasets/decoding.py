"""Decode the images of a data set, or read their headers, on several threads, a block at a time."""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from bench.datasets.image_files import UnusableImage
from bench.datasets.registry import Notify, Picture, Pictures

IMAGES_PER_TASK = 16
MAX_THREADS = 8
SECONDS_BETWEEN_MESSAGES = 15.0

Decoded = tuple[np.ndarray, list[UnusableImage]]


def decoded(
    pictures: Pictures,
    decode: Callable[[list[Picture]], Decoded],
    name: str,
    notify: Notify,
    done_to: str = "decoded",
) -> Iterator[Decoded]:
    """Yield the pixels and the unusable ones of a few images after the other, decoded on several threads.

    Parameters
    ----------
    pictures : Pictures
        The images.
    decode : callable
        Turns some images into an array and the list of those that cannot be used.
    name : str
        Name of the data set, for messages.
    notify : callable
        Reports progress, a line per call.
    done_to : str
        What is done to an image, for messages.
    """
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    done, bad, last_message = 0, 0, time.monotonic()
    with ThreadPoolExecutor(threads) as pool, warnings.catch_warnings():
        # of decoders, about images that they decode nevertheless
        warnings.simplefilter("ignore")
        while block := list(islice(pictures.each, IMAGES_PER_TASK * threads)):
            starts = range(0, len(block), IMAGES_PER_TASK)
            for pixels, failed in pool.map(decode, [block[at : at + IMAGES_PER_TASK] for at in starts]):
                done, bad = done + len(pixels), bad + len(failed)
                yield pixels, failed
            if time.monotonic() - last_message > SECONDS_BETWEEN_MESSAGES:
                last_message = time.monotonic()
                cannot = f", {bad} of them cannot be used" if bad else ""
                notify(f"{name}: {done} of {pictures.count} images {done_to}{cannot}")
