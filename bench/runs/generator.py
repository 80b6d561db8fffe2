"""Trained networks of a run, rebuilt from its configuration and a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.configuration import Configuration
from bench.datasets import sample_shape
from bench.runs import checkpoint, inversion, latent_paths, notebook_html, run_folder
from bench.runs.checkpoint_names import checkpoint_file
from bench.runs.description import RunDescription
from bench.runs.exported_generator import SHOWN, ExportedGenerator
from bench.runs.prior import prior_of, text_of
from bench.runs.run_folder import RunFolder, origin_of
from bench.system.errors import RequestError, shown, unknown
from bench.system.version import __version__
from variants.base import Variant
from variants.latent_codes import LatentCode
from variants.noise import Noise

CHUNK = 250  # samples per forward pass
CPU = torch.device("cpu")
# samples that a notebook shows
IMAGES_SHOWN = 32
POINTS_SHOWN = 5000


def configuration_of(description: RunDescription) -> Configuration:
    """Return the resolved configuration of a run; RequestError if its variant is not installed."""
    return Configuration.from_flat(description.config.flat())


def load(run: RunFolder | str, checkpoint: str = "best") -> "TrainedGenerator":
    """Load a run's networks, on the CPU and in eval mode; no random state is touched.

    Parameters
    ----------
    run : RunFolder or str
        The run, or what a user types for it: an id or name, a unique beginning, or ``last``.
    checkpoint : str
        ``best`` (by Fréchet distance), ``best-NAME`` for a scalar that selects checkpoints, ``last`` or a
        step that has a checkpoint.

    Raises
    ------
    RequestError
        If there is no such run or checkpoint.
    WorkError
        If the checkpoint is damaged.
    """
    folder = run_folder.find(run) if isinstance(run, str) else run
    return _rebuild(folder, checkpoint_file(folder, checkpoint))


def _rebuild(run: RunFolder, path: Path) -> "TrainedGenerator":
    description = run.describe()
    state = checkpoint.read(path, origin_of(description))
    configuration = configuration_of(description)
    harness = configuration.harness
    shape = sample_shape(harness.dataset, harness.image_size, harness.channels)
    # building the networks draws weights, which are then replaced
    with torch.random.fork_rng(devices=[]):
        variant = configuration.variant(configuration.hyperparameters, shape, len(description.data.classes))
    variant.load_state_dict(state["variant"])
    for name, saved in state["averages"].items():
        average = {key.removeprefix("module."): value for key, value in saved.items() if key != "n_averaged"}
        variant.networks()[name].module.load_state_dict(average)
    variant.eval()
    return TrainedGenerator(run, state["step"], variant)


@dataclass(frozen=True)
class TrainedGenerator:
    """A trained generator with the variant that it belongs to; everything is on the CPU, without gradients.

    Attributes
    ----------
    run : RunFolder
        The run.
    step : int
        The step of the checkpoint.
    variant : Variant
        With all networks, in eval mode.
    """

    run: RunFolder
    step: int
    variant: Variant

    @property
    def generator(self) -> nn.Module:
        """The generator that is judged: the moving average where the run keeps one."""
        return self.variant.generator

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W), or (2,) of points."""
        return self.variant.sample_shape

    @property
    def makes_points(self) -> bool:
        """Whether samples are points of the plane rather than images."""
        return len(self.sample_shape) == 1

    @property
    def latent_dim(self) -> int:
        """Width of latents: z, and the one-hot classes of a conditional run."""
        return self.latents(1).shape[1]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that samples can be asked for, by number; empty for an unconditional run."""
        return self.run.describe().data.classes if self.variant.conditional else ()

    @property
    def codes(self) -> tuple[LatentCode, ...]:
        """The columns of latents that the variant declares to mean something, beside the class."""
        return self.variant.latent_codes()

    def class_number(self, label: int | str) -> int:
        """Return the number of a class.

        Parameters
        ----------
        label : int or str
            A number, or the name of a class; a word that is both counts as the name.

        Raises
        ------
        RequestError
            If the run is unconditional, or has no such class.
        """
        names = self.class_names
        if not names:
            raise RequestError(
                f"class {shown(label)}: run {self.run.describe().name} has no classes, "
                f"{self.variant.name} is not conditional"
            )
        if isinstance(label, str) and label in names:
            return names.index(label)
        number = int(label) if str(label).isdecimal() else -1
        if not 0 <= number < len(names):
            raise unknown(f"class (0 to {len(names) - 1}, or a name)", str(label), names)
        return number

    @property
    def encodes(self) -> bool:
        """Whether the variant has an encoder, so that samples have codes."""
        return self.encode(torch.zeros((1, *self.sample_shape))) is not None

    def latents(self, n: int, seed: int = 0, label: int | str | None = None) -> Tensor:
        """Draw latents from the variant's prior, float32 (n, width): z, or [z, one-hot(y)] if conditional.

        A larger `n` begins with the latents of a smaller one.

        Parameters
        ----------
        n, seed
            Number of latents, and seed.
        label : int or str, optional
            Number or name of the class of all latents; z is the same for every class. By default the prior
            draws classes.

        Raises
        ------
        RequestError
            If the run is unconditional, or has no such class.
        """
        number = None if label is None else self.class_number(label)
        blocks = [
            self.variant.draw_latent(Noise(seed, block, CPU), CHUNK, "sample latent")
            for block in range(max(1, -(-n // CHUNK)))
        ]
        latents = torch.cat(blocks)[:n]
        return latents if number is None else self.variant.with_class(latents, torch.full((n,), number))

    def pairs_of_latents(self, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw the ends of `n` paths, float32 (n, width) each; both ends have the same class and category."""
        latents = self.latents(2 * n, seed)
        start, end = latents[:n], latents[n:]
        for code in self.codes:
            if code.kind == "categorical":
                end = code.replaced_in(end, start[:, code.columns])
        if names := self.class_names:
            classes = torch.arange(n) % len(names)
            start, end = self.variant.with_class(start, classes), self.variant.with_class(end, classes)
        return start, end

    @torch.no_grad()
    def generate(self, latents: Tensor) -> Tensor:
        """Map latents, float32 (n, width), to images, float32 (n, C, H, W) in [-1, 1], or points."""
        return torch.cat([self._as_judged(self.generator(chunk)) for chunk in latents.split(CHUNK)])

    def _as_judged(self, samples: Tensor) -> Tensor:
        # some networks are not bounded: files and the judge clamp images too, but no points
        return samples if self.makes_points else samples.clamp(-1, 1)

    def sample(self, n: int, seed: int = 0, label: int | str | None = None) -> Tensor:
        """Draw images, float32 (n, C, H, W) in [-1, 1], or points (n, 2); of one class if `label` is given.

        The same `n` and `seed` give the same samples. Draws of different `n` begin with the same latents;
        their samples may differ by rounding, since sums differ in smaller batches.

        Raises
        ------
        RequestError
            As :meth:`latents`.
        """
        return self.generate(self.latents(n, seed, label))

    def sample_classes(self, labels: Sequence[int | str], n: int, seed: int = 0) -> Tensor:
        """Draw `n` samples of each class, from the same n draws of z, class after class.

        Raises
        ------
        RequestError
            As :meth:`latents`.
        """
        return self.generate(torch.cat([self.latents(n, seed, label) for label in labels]))

    @torch.no_grad()
    def reconstruct(self, samples: Tensor) -> Tensor | None:
        """Return reconstructions of samples (n, ...), images in [-1, 1], or None."""
        codes = self.encode(samples)
        return None if codes is None else self.decode(codes)

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor | None:
        """Return the encoder's codes of samples, float32 (n, width), or None without an encoder."""
        codes = [self.variant.encode(chunk) for chunk in samples.split(CHUNK)]
        found = [code for code in codes if code is not None]
        return torch.cat(found) if found else None

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor | None:
        """Return decoded samples of codes (n, width), or None without a decoder."""
        samples = [self.variant.decode(chunk) for chunk in codes.split(CHUNK)]
        found = [self._as_judged(sample) for sample in samples if sample is not None]
        return torch.cat(found) if found else None

    def path(self, start: Tensor, end: Tensor, steps: int, path: str = "linear") -> Tensor:
        """Return latents on paths between latents.

        Classes and categories of latents are mixed linearly: ends of the same class keep it.

        Parameters
        ----------
        start, end : Tensor
            Latents, float32 (n, width) each.
        steps : int
            Latents per path, start and end among them; at least 2.
        path : {"linear", "slerp"}
            Straight line or great circle.

        Returns
        -------
        Tensor
            float32 (n, steps, width).

        Raises
        ------
        RequestError
            If there is no such path.
        """
        plain = torch.ones(start.shape[1], dtype=torch.bool)
        plain[start.shape[1] - len(self.class_names) :] = False
        for code in self.codes:
            plain[code.columns] &= code.kind != "categorical"
        points = latent_paths.along("linear", start, end, steps)
        points[..., plain] = latent_paths.along(path, start[:, plain], end[:, plain], steps)
        return points

    def interpolate(self, start: Tensor, end: Tensor, steps: int, path: str = "linear") -> Tensor:
        """Generate samples of latents on paths between latents.

        Parameters
        ----------
        start, end, steps, path
            As for :meth:`path`, which says what is refused.

        Returns
        -------
        Tensor
            float32 (n, steps, C, H, W) in [-1, 1].
        """
        points = self.path(start, end, steps, path)
        return self.generate(points.flatten(0, 1)).unflatten(0, (len(start), steps))

    def interpolate_images(
        self, start: Tensor, end: Tensor, steps: int, path: str = "linear"
    ) -> Tensor | None:
        """Decode codes on paths between the codes of images.

        Parameters
        ----------
        start, end : Tensor
            Images, float32 (n, C, H, W) in [-1, 1] each.
        steps, path
            As for :meth:`interpolate`.

        Returns
        -------
        Tensor or None
            float32 (n, steps, C, H, W) in [-1, 1]; None where the variant has no encoder.
        """
        first, last = self.encode(start), self.encode(end)
        if first is None or last is None:
            return None
        images = self.decode(latent_paths.along(path, first, last, steps).flatten(0, 1))
        return None if images is None else images.unflatten(0, (len(start), steps))

    def invert(
        self,
        samples: Tensor,
        labels: Sequence[int | str] | None = None,
        steps: int = inversion.STEPS,
        learning_rate: float = inversion.LEARNING_RATE,
        seed: int = 0,
    ) -> inversion.Inversion:
        """Find latents whose samples are close to given ones: :func:`bench.runs.inversion.invert`."""
        return inversion.invert(self, samples, labels, steps, learning_rate, seed)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.sample_shape))
        name = self.run.describe().name
        return f"TrainedGenerator({name}, step {self.step:,}: latents N x {self.latent_dim} to N x {shape})"

    def _repr_html_(self) -> str:
        """Facts and samples, for notebooks."""
        facts = self.exported()
        rows = [
            ("run", facts.run),
            ("step", self.step),
            ("latents", text_of(facts.prior)),
            ("samples", f"{' x '.join(map(str, self.sample_shape))}, values {facts.value_range}"),
        ]
        if names := self.class_names:
            rows.append(("classes", ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")))
        samples = self.sample(POINTS_SHOWN if self.makes_points else IMAGES_SHOWN, seed=0)
        title = f"{len(samples):,} samples, seed 0"
        return notebook_html.table(rows) + notebook_html.picture_of_samples(samples, title)

    def exported(self) -> ExportedGenerator:
        """Return the facts that travel within an exported file: prior, range of values, classes, origin."""
        description = self.run.describe()
        prior = prior_of(self.variant)
        known = all(part.distribution != "other" for part in prior)
        return ExportedGenerator(
            producer=f"began-bench {__version__}",
            variant=self.variant.name,
            run=description.name,
            run_id=self.run.id,
            dataset=description.data.name,
            step=self.step,
            prior=prior,
            sample_shape=self.sample_shape,
            classes=self.class_names,
            latents=() if known else tuple(map(tuple, self.latents(SHOWN).tolist())),
        )

    def export(self, path: Path) -> ExportedGenerator:
        """Write the generator as a program of its own, and check the file by running the program.

        The program maps latents, float32 (n, width) with any n, to images (n, C, H, W) or points (n, 2). The
        latents of a conditional run are [z, one-hot(y)], one tensor too: their last columns are the classes.
        The samples are not clamped: a generator without a bounded last layer may leave [-1, 1] a little.

        Parameters
        ----------
        path : Path
            ``.pt2`` (:func:`torch.export.load`) or ``.onnx`` (ONNX Runtime and others).

        Returns
        -------
        ExportedGenerator
            The facts that were written into the file; their ``snippet(path)`` are lines that run the file.

        Raises
        ------
        RequestError
            If the suffix is another, or the packages for ONNX are not installed.
        WorkError
            If the loaded program does not reproduce the generator's samples; no file is left then.
        """
        from bench.runs.export import export

        facts = self.exported()
        export(self.generator, self.latents(EXPORT_LATENTS), path, facts)
        return facts


EXPORT_LATENTS = 7  # latents of the check; the program is traced with fewer
