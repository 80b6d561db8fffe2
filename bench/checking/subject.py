"""A small instance of a variant, random samples, and a short training: what the checks look at."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from bench.configuration import Configuration
from bench.runs import record
from bench.runs.record import StepRow
from bench.system.errors import RequestError, unknown
from bench.training.learning_rate import LearningRateRule
from bench.training.plan import Plan
from bench.training.trainer import Interrupted, Trainer
from variants.base import Batch, Phase, SampleKind, Scalars, Variant, VariantHyperparameters
from variants.noise import Noise
from variants.presets import Preset

CPU = torch.device("cpu")
SMALL = {"filters": 8, "latent_dim": 6}
BATCH, CLASSES, STEPS, SEED = 8, 3, 4, 7
# shapes to try, in this order
IMAGES: list[tuple[int, ...]] = [(channels, size, size) for size in (28, 32, 64, 128) for channels in (1, 3)]
POINTS: list[tuple[int, ...]] = [(2,)]
DATA_SETTINGS = {"image_size", "channels"}


class RandomBatches:
    """An endless stream of random samples in [-1, 1], with classes if there are any."""

    batch_size = BATCH

    def __init__(self, sample_shape: tuple[int, ...], classes: int) -> None:
        self.sample_shape = sample_shape
        self.classes = classes

    def get(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor:
        """Return samples of different brightness, float32 (B, ...)."""
        generator = torch.Generator().manual_seed(100 + index)
        values = torch.rand((BATCH, *self.sample_shape), generator=generator)
        brightness = torch.rand((BATCH, *(1 for _ in self.sample_shape)), generator=generator)
        samples = values * brightness if len(self.sample_shape) > 1 else values
        return (2 * samples - 1).chunk(micro_batches)[micro_batch]

    def labels(self, index: int, micro_batch: int = 0, micro_batches: int = 1) -> Tensor | None:
        """Return the classes of those samples, int64 (B,); None without classes."""
        if not self.classes:
            return None
        return ((torch.arange(BATCH) + index) % self.classes).chunk(micro_batches)[micro_batch]


@dataclass(frozen=True)
class PhaseOutcome:
    """What one phase of a step did.

    Attributes
    ----------
    place : str
        Such as ``phase 2 of step 1``.
    phase : Phase
        The phase.
    with_gradient : frozenset of str
        Names of the parameters that have a gradient after the phase.
    norms : dict of str to float
        Norm of the gradient of each network that the phase updates, as far as there is such a network.
    scalars : dict of str to Tensor
        What the phase returned.
    """

    place: str
    phase: Phase
    with_gradient: frozenset[str]
    norms: Mapping[str, float]
    scalars: Scalars


@dataclass
class Subject:
    """A variant with small hyperparameters for samples of one shape.

    Attributes
    ----------
    kind : type[Variant]
        Class of the variant.
    hyperparameters : VariantHyperparameters
        Its hyperparameters.
    sample_shape : tuple of int
        Shape of one sample.
    folder : Path
        An empty folder for records, checkpoints and exported files.
    """

    kind: type[Variant]
    hyperparameters: VariantHyperparameters
    sample_shape: tuple[int, ...]
    folder: Path
    _trainings: int = field(default=0, init=False)

    @property
    def classes(self) -> int:
        """Number of classes of the samples; 0 unless the variant is conditional."""
        return CLASSES if self.kind.conditional else 0

    @property
    def samples(self) -> str:
        """Kind of the samples, in words."""
        return samples_text(self.sample_shape)

    def build(self, seed: int = 0) -> Variant:
        """Build the variant in training mode, with initial weights of a seed."""
        return build(self.kind, self.hyperparameters, self.sample_shape, seed)

    def batches(self) -> RandomBatches:
        """Return the real samples."""
        return RandomBatches(self.sample_shape, self.classes)

    def trainer(self, variant: Variant, folder: Path | None = None, stop_at: int = 0) -> Trainer:
        """Return a trainer of STEPS steps that evaluates nothing and follows the networks by an average.

        Parameters
        ----------
        variant : Variant
            What to train.
        folder : Path, optional
            A folder that holds a record to go on with; a new one by default.
        stop_at : int
            Step after which training stops, with a checkpoint; 0 for the last one.
        """
        if folder is None:
            self._trainings += 1
            folder = self.folder / f"training {self._trainings}"
            folder.mkdir()
        trainer = Trainer(
            variant=variant,
            batches=self.batches(),
            plan=Plan(STEPS, SEED, LearningRateRule("none", 1, 0.0), ema_decay=0.5, grid_images=4),
            hyperparameters=self.hyperparameters,
            device=CPU,
            writer=record.RecordWriter(folder / record.FILE),
            folder=folder,
            measure=lambda sampler: {"d": 0.0},
            lower_is_better="d",
            stop_requested=lambda: trainer.step == stop_at,
        )
        return trainer

    @cached_property
    def trained(self) -> Trainer:
        """A training of STEPS steps, from the weights of seed 0."""
        return train(self.trainer(self.build()))

    @cached_property
    def phase_outcomes(self) -> list[PhaseOutcome]:
        """What the phases of STEPS steps do to the same weights, from the first step to the last."""
        variant, batches, found, taken = self.build(), self.batches(), [], 0
        names = {id(parameter): name for name, parameter in variant.named_parameters()}
        for step in range(1, STEPS + 1):
            variant.step, variant.progress = step, (step - 1) / (STEPS - 1)
            variant.begin_step()
            batch = Batch(torch.empty(0), Noise(SEED, step, CPU))
            for number, phase in enumerate(variant.phases(), start=1):
                if (step - 1) % phase.every:
                    continue
                if phase.new_real_batch:
                    batch.real, batch.labels = batches.get(taken), batches.labels(taken)
                    taken += 1
                variant.zero_grad(set_to_none=True)
                scalars = phase.accumulate_gradients(batch)
                found.append(
                    PhaseOutcome(
                        place=f"phase {number} of step {step}",
                        phase=phase,
                        with_gradient=frozenset(
                            names[id(each)] for each in variant.parameters() if each.grad is not None
                        ),
                        norms={
                            name: _gradient_norm(variant, name)
                            for name in phase.updates
                            if name in variant.networks()
                        },
                        scalars=scalars,
                    )
                )
        return found


def _gradient_norm(variant: Variant, network: str) -> float:
    squares = [
        float(parameter.grad.double().square().sum())
        for parameter in variant.trainable_parameters(network)
        if parameter.grad is not None
    ]
    return math.sqrt(sum(squares))


def train(trainer: Trainer) -> Trainer:
    """Train to the end, or to where the trainer is asked to stop, and close its record."""
    try:
        trainer.train()
    except Interrupted:
        pass
    finally:
        trainer.writer.close()
    return trainer


def rows_of(trainer: Trainer) -> list[StepRow]:
    """Return the recorded steps of a training."""
    return record.read(trainer.folder / record.FILE).steps


def samples_text(sample_shape: tuple[int, ...]) -> str:
    """Return a text such as ``images 1x28x28`` or ``points 2``."""
    return f"{kind_of_samples(sample_shape)} {'x'.join(map(str, sample_shape))}"


def kind_of_samples(sample_shape: tuple[int, ...]) -> SampleKind:
    """Return the kind of samples that have a shape."""
    return "points" if len(sample_shape) == 1 else "images"


def build(
    kind: type[Variant], hyperparameters: VariantHyperparameters, sample_shape: tuple[int, ...], seed: int
) -> Variant:
    """Build a variant in training mode, with initial weights of a seed."""
    classes = CLASSES if kind.conditional else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(hyperparameters, sample_shape, classes).train()


def small_hyperparameters(
    kind: type[Variant], settings: Mapping[str, object]
) -> list[VariantHyperparameters]:
    """Return small hyperparameters with some settings: from the defaults, then from each preset.

    A small value that a knob does not allow is left out.

    Raises
    ------
    RequestError
        If a setting is unknown or not possible.
    """
    own = kind.Hyperparameters.model_fields
    allowed = [*own, *sorted(DATA_SETTINGS)]
    for name in settings:
        if name not in allowed:
            raise unknown(f"setting of a check of {kind.name}", str(name), allowed)
    given = {name: value for name, value in settings.items() if name in own}
    found = []
    for preset in (Preset(), *kind.presets.values()):
        # wrong names are a finding of a check
        values: dict[str, object] = {n: value for n, value in preset.hyperparameters.items() if n in own}
        for name, small in SMALL.items():
            try:
                _configured(kind, values | {name: small})
            except RequestError:
                continue
            values[name] = small
        found.append(_configured(kind, values | given).hyperparameters)
    return found


def shapes_of(kind: type[Variant], settings: Mapping[str, object]) -> list[list[tuple[int, ...]]]:
    """Return the shapes to try of each kind of samples that a variant declares, or that settings ask for.

    Raises
    ------
    RequestError
        If a setting is not possible.
    """
    given = {name: value for name, value in settings.items() if name in DATA_SETTINGS}
    if not given:
        shapes = {"images": IMAGES, "points": POINTS}
        return [shapes[samples] for samples in ("images", "points") if samples in kind.sample_kinds]
    harness = _configured(kind, given).harness
    channels = harness.channels or 1
    if "image_size" not in given:
        return [[shape for shape in IMAGES if shape[0] == channels]]
    if harness.image_size is None:
        return [POINTS]
    return [[(channels, harness.image_size, harness.image_size)]]


def _configured(kind: type[Variant], values: Mapping[str, object]) -> Configuration:
    image_size = IMAGES[0][-1] if "images" in kind.sample_kinds else None
    return Configuration(kind, "", {"steps": STEPS, "image_size": image_size, **values})
