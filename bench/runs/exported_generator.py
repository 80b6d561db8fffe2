"""What an exported generator's file says of itself, and the lines of Python that run the file."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.runs.prior import PriorPart, text_of

INPUT = "latent"  # name of the program's input
OUTPUT = {True: "points", False: "image"}  # name of its output, by whether samples are points
FACTS = "generator.json"  # the facts' name within a .pt2 file
SHOWN = 16  # samples that the snippet makes


@dataclass(frozen=True)
class ExportedGenerator:
    """Facts that travel within an exported file.

    Attributes
    ----------
    producer : str
        This package and its version.
    variant, run, run_id, dataset : str
        Names of variant, run and data set; id of the run.
    step : int
        Step of the checkpoint.
    prior : tuple of PriorPart
        Distributions of the latents' columns.
    sample_shape : tuple of int
        Shape of one sample: (C, H, W), or (2,) of points.
    classes : tuple of str
        Names of the classes of a conditional run, by number; empty for an unconditional run.
    latents : tuple of tuple of float
        :data:`SHOWN` latents, where the prior has columns of no known distribution; empty otherwise.
    """

    producer: str
    variant: str
    run: str
    run_id: str
    dataset: str
    step: int
    prior: tuple[PriorPart, ...]
    sample_shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    latents: tuple[tuple[float, ...], ...] = ()

    @property
    def latent_dim(self) -> int:
        """Width of the input: z, and the one-hot classes of a conditional run."""
        return sum(part.width for part in self.prior)

    @property
    def makes_points(self) -> bool:
        """Whether samples are points of the plane rather than images."""
        return len(self.sample_shape) == 1

    @property
    def value_range(self) -> str:
        """The values of samples, as text."""
        return "unbounded" if self.makes_points else "[-1, 1]"

    def properties(self) -> dict[str, str]:
        """Return the facts as texts by name: the ``metadata_props`` of ONNX, and ``generator.json``."""
        facts = {
            "producer": self.producer,
            "variant": self.variant,
            "run": self.run,
            "run_id": self.run_id,
            "dataset": self.dataset,
            "step": str(self.step),
            "input": INPUT,
            "output": OUTPUT[self.makes_points],
            "latent_dim": str(self.latent_dim),
            "latent_prior": text_of(self.prior),
            "sample_shape": json.dumps(self.sample_shape),
            "value_range": self.value_range,
        }
        if self.classes:
            facts["classes"] = json.dumps(self.classes, ensure_ascii=False)
        if self.latents:
            facts["latents"] = json.dumps(self.latents)
        return facts

    def snippet(self, path: Path) -> str:
        """Return four lines of Python that draw latents from the prior, run the file and print a shape.

        They need torch for ``.pt2``, numpy and onnxruntime for ``.onnx``. The lines name the latents ``z``,
        unless the latents are read from the file, and the samples ``images`` or ``points``.
        """
        samples = "points" if self.makes_points else "images"
        name = repr(str(path))
        imports, latents, output = self._torch(name) if path.suffix == ".pt2" else self._onnx(name)
        comment = f"({', '.join(map(str, (SHOWN, *self.sample_shape)))})"
        if not self.makes_points:
            comment += f" in {self.value_range}"
        return f"{imports}\n{latents}\n{samples} = {output}\nprint({samples}.shape)  # {comment}"

    def _onnx(self, name: str) -> tuple[str, str, str]:
        clip = "" if self.makes_points else ".clip(-1, 1)"
        if self.latents:
            return (
                "import json, numpy as np, onnxruntime",
                f"generator = onnxruntime.InferenceSession({name})",
                f'generator.run(None, {{"{INPUT}": np.float32(json.loads('
                f'generator.get_modelmeta().custom_metadata_map["latents"]))}})[0]{clip}',
            )
        parts = [_numpy(part, seed) for seed, part in enumerate(self.prior)]
        drawn = parts[0] if len(parts) == 1 else f"np.concatenate([{', '.join(parts)}], axis=1)"
        return (
            "import numpy as np, onnxruntime",
            f'z = {drawn}.astype("float32")',
            f'onnxruntime.InferenceSession({name}).run(None, {{"{INPUT}": z}})[0]{clip}',
        )

    def _torch(self, name: str) -> tuple[str, str, str]:
        clip = ".detach()" if self.makes_points else ".detach().clamp(-1, 1)"
        if self.latents:
            return (
                "import json, torch",
                f'program = torch.export.load({name}, extra_files=(facts := {{"{FACTS}": ""}})).module()',
                f'program(torch.tensor(json.loads(json.loads(facts["{FACTS}"])["latents"]))){clip}',
            )
        parts = [_torch(part) for part in self.prior]
        drawn = parts[0] if len(parts) == 1 else f"torch.cat([{', '.join(parts)}], dim=1)"
        return "import torch", f"z = {drawn}", f"torch.export.load({name}).module()(z){clip}"


def _numpy(part: PriorPart, seed: int) -> str:
    """Return the expression that draws columns of latents with numpy; classes come in turn."""
    if part.distribution == "one-hot":
        return f"np.eye({part.width})[np.arange({SHOWN}) % {part.width}]"
    draws = f"np.random.default_rng({seed})"
    if part.distribution == "normal":
        return f"{draws}.standard_normal(({SHOWN}, {part.width}))"
    return f"{draws}.uniform({part.low:g}, {part.high:g}, ({SHOWN}, {part.width}))"


def _torch(part: PriorPart) -> str:
    """Return the expression that draws columns of latents with torch; classes come in turn."""
    if part.distribution == "one-hot":
        return f"torch.eye({part.width})[torch.arange({SHOWN}) % {part.width}]"
    if part.distribution == "normal":
        return f"torch.randn({SHOWN}, {part.width})"
    return f"torch.empty({SHOWN}, {part.width}).uniform_({part.low:g}, {part.high:g})"
