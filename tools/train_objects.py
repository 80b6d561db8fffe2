"""Train the shipped network for colour images of objects and animals on CIFAR-10.

Run ``python tools/train_objects.py --data-root DIR [--out FILE]``. DIR contains cifar-10-batches-bin, the
binary layout of CIFAR-10. Training takes about half an hour on a core with bfloat16 instructions. The written
bytes are reproducible on the same machine with the same torch version and the same number of threads.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.judging.networks import ObjectsNetwork
from bench.judging.networks.feature_network import save
from bench.system.atomic_files import destination
from bench.system.errors import RequestError, WorkError

FOLDER = "cifar-10-batches-bin"
TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
ROW = 1 + 3 * 32 * 32  # a byte of class, then the red, green and blue pixels


@dataclass(frozen=True)
class Labelled:
    """Images uint8 (N, 3, 32, 32), labels int64 (N,) in 0..9, and the sha256 of each file read."""

    images: Tensor
    labels: Tensor
    hashes: dict[str, str]


@dataclass(frozen=True)
class Settings:
    """Training settings, which are stored with the weights.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images in a batch.
    learning_rate : float
        Peak, reached linearly after a fifth of the steps; it then falls linearly to 0.
    momentum, weight_decay : float
        Of stochastic gradient descent in Nesterov's form.
    shift : int
        Largest shift of an image in pixels, in each direction; the edge is mirrored.
    cut : int
        Side of the square that is set to grey, in pixels.
    seed : int
        Of weights, order, augmentation and dropout.
    threads : int
        Of torch.
    """

    epochs: float = 18
    batch_size: int = 256
    learning_rate: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    shift: int = 3
    cut: int = 8
    seed: int = 0
    threads: int = 1


def read(root: Path, names: Sequence[str]) -> Labelled:
    """Read files in CIFAR-10's binary layout.

    Raises
    ------
    RequestError
        If a file is missing.
    WorkError
        If a file is cut short, or a label is above 9.
    """
    rows, hashes = [], {}
    for name in names:
        path = root / FOLDER / name
        if not path.is_file():
            raise RequestError(f"{path} is not there: --data-root must hold {FOLDER}")
        content = path.read_bytes()
        hashes[f"{FOLDER}/{name}"] = hashlib.sha256(content).hexdigest()
        values = np.frombuffer(content, np.uint8)
        if not values.size or values.size % ROW or values[::ROW].max() > 9:
            raise WorkError(f"{path} is not in CIFAR-10's binary layout, or it is cut short")
        rows.append(values.reshape(-1, ROW))
    table = torch.from_numpy(np.concatenate(rows))
    return Labelled(table[:, 1:].reshape(-1, 3, 32, 32).contiguous(), table[:, 0].long(), hashes)


def augment(images: Tensor, shift: int, cut: int, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, shift each, and cut a square out of each, at random.

    Parameters
    ----------
    images : Tensor
        float32 (N, C, H, W) in [-1, 1].
    shift : int
        Largest shift in pixels, in each direction.
    cut : int
        Side of the square that becomes 0, in pixels; it may lie partly outside.
    generator : torch.Generator
        Source of all random draws.
    """
    count, _, height, width = images.shape
    mirrored = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    images = torch.where(mirrored, images.flip(-1), images)
    padded = nn.functional.pad(images, (shift,) * 4, mode="reflect")
    moves = torch.randint(2 * shift + 1, (count, 2, 1), generator=generator)
    rows, columns = moves[:, 0] + torch.arange(height), moves[:, 1] + torch.arange(width)
    number = torch.arange(count)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    corners = torch.randint(1 - cut // 2, height - cut // 2, (count, 2, 1), generator=generator)
    inside = [(line >= corner) & (line < corner + cut) for line, corner in (
        (torch.arange(height), corners[:, 0]),
        (torch.arange(width), corners[:, 1]),
    )]  # fmt: skip
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    return moved.masked_fill(hole[:, None], 0.0)


def train(data: Labelled, settings: Settings, report: bool = False) -> ObjectsNetwork:
    """Train a network; sets torch's global seed. Convolutions and products are in bfloat16."""
    torch.manual_seed(settings.seed)  # initial weights and dropout
    generator = torch.Generator().manual_seed(settings.seed)  # order and augmentation
    network = ObjectsNetwork().train().to(memory_format=torch.channels_last)
    decayed = [weight for weight in network.parameters() if weight.dim() > 1]
    others = [weight for weight in network.parameters() if weight.dim() <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others}],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=True,
    )
    steps = round(settings.epochs * (len(data.labels) // settings.batch_size)) or 1
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for step, rows in zip(range(steps), _batches(len(data.labels), settings.batch_size, generator)):  # noqa: B905
        images = augment(
            ObjectsNetwork.to_input(data.images[rows]), settings.shift, settings.cut, generator
        ).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, logits = network(images)
        loss = nn.functional.cross_entropy(logits.float(), data.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if report and (step + 1) % 100 == 0:
            print(f"step {step + 1} of {steps}: loss {loss.item():.4f}", file=sys.stderr, flush=True)
    return network.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield rows of whole batches without end, in a new order for each pass."""
    size = min(size, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order[: count // size * size].split(size)


def _rate(step: int, steps: int) -> float:
    rising = max(1, steps // 5)
    return (step + 1) / rising if step < rising else (steps - step) / (steps - rising + 1)


def accuracy(network: ObjectsNetwork, data: Labelled) -> float:
    """Return the share in [0, 1] of images whose most probable class is their label."""
    with torch.inference_mode():
        guesses = [network(network.to_input(images))[1].argmax(1) for images in data.images.split(500)]
    return float((torch.cat(guesses) == data.labels).double().mean())


def standardise(network: ObjectsNetwork, data: Labelled) -> None:
    """Give each feature the mean 0 and the variance 1 over the training images as they are, not augmented.

    The head is changed to the same effect, so class scores stay as they were.
    """
    norm = network.body[-1]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.inference_mode():
        raw = torch.cat(
            [network.body[:-1](network.to_input(images)).double() for images in data.images.split(500)]
        )
        before = norm.running_mean.double(), (norm.running_var.double() + norm.eps).sqrt()
        mean, deviation = raw.mean(dim=0), raw.std(dim=0)
        weight = network.head.weight.double()
        network.head.bias += (weight @ ((mean - before[0]) / before[1])).float()
        network.head.weight.copy_(weight * (deviation / before[1]))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(deviation.square() - norm.eps)


def build(root: Path, settings: Settings, out: Path, report: bool = False) -> dict[str, Any]:
    """Train on the training images below `root`, write the network, and return its record.

    The recorded accuracy is that of the network as the file holds it.

    Raises
    ------
    RequestError, WorkError
        As :func:`read`; WorkError also if a test image is among the training images.
    """
    training, test = read(root, TRAINING), read(root, TEST)
    seen = {image.numpy().tobytes() for image in training.images}
    if any(image.numpy().tobytes() in seen for image in test.images):
        raise WorkError("some images to test on are among the training images")
    network = train(training, settings, report)
    standardise(network, training)
    rounded = {
        name: tensor.to(network.stored_dtype).to(tensor.dtype) if tensor.dim() > 1 else tensor
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(rounded)
    record = {
        "class_names": list(network.class_names),
        "training_data": training.hashes,
        "test_data": test.hashes,
        "test_images": {"objects": len(test.labels)},
        "accuracy": {"objects": accuracy(network, test)},
        "settings": asdict(settings),
        "torch": torch.__version__,
    }
    save(network, record, out)
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status (0 done, 1 data damaged, 2 wrong request)."""
    parser = argparse.ArgumentParser(prog="python tools/train_objects.py", description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True, help=f"folder with {FOLDER}")
    parser.add_argument("--out", type=Path, default=ObjectsNetwork.shipped_weights, help="file to write")
    parser.add_argument("--epochs", type=float, default=Settings.epochs, help="passes over the images")
    parser.add_argument("--threads", type=int, default=Settings.threads, help="CPU threads")
    options = parser.parse_args(arguments)
    if options.epochs <= 0 or options.threads < 1:
        parser.error("--epochs must be above 0, and --threads at least 1")
    torch.set_num_threads(options.threads)
    try:
        destination(options.out)
        settings = Settings(epochs=options.epochs, threads=options.threads)
        record = build(options.data_root, settings, options.out, report=True)
    except (RequestError, WorkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    share, count = record["accuracy"]["objects"], record["test_images"]["objects"]
    print(f"objects: {share:.2%} of {count} held-out images")
    print(f"written: {options.out}, {options.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
