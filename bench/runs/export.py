"""A generator as a file that needs neither this project nor its checkpoint."""

import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.runs.exported_generator import FACTS, INPUT, OUTPUT, ExportedGenerator
from bench.system.atomic_files import replacing
from bench.system.errors import RequestError, WorkError, shown

SUFFIXES = (".pt2", ".onnx")
TRACED = 2  # latents that the program is traced with
# Largest difference of a pixel, in units of the images' largest value (at least 1): a fortieth of a grey
# level. Other programs add up convolutions in another order.
TOLERANCE = 1e-4


def check_suffix(path: Path) -> None:
    """Refuse a file that no generator can be exported to, before any work.

    Raises
    ------
    RequestError
        If the suffix is neither .pt2 nor .onnx, or the packages for .onnx are not installed.
    """
    if path.suffix not in SUFFIXES:
        raise RequestError(f"{shown(str(path))} names no format: allowed suffixes are {', '.join(SUFFIXES)}")
    if path.suffix == ".onnx":
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError:
            raise RequestError(
                "exporting to ONNX needs more packages: pip install 'began-bench[onnx]'"
            ) from None


def export(generator: nn.Module, latents: Tensor, path: Path, facts: ExportedGenerator | None = None) -> None:
    """Write a generator to a file, which appears only if its program reproduces the generator's samples.

    Parameters
    ----------
    generator : nn.Module
        In eval mode, on the CPU.
    latents : Tensor
        Latents of the check, float32 (n, latent_dim), n above TRACED.
    path : Path
        ``.pt2`` or ``.onnx``.
    facts : ExportedGenerator, optional
        Written into the file: ``metadata_props`` of ONNX, ``generator.json`` within a ``.pt2`` file.

    Raises
    ------
    RequestError
        As :func:`check_suffix`.
    WorkError
        If the generator cannot be exported, or the program gives other samples.
    """
    check_suffix(path)
    with replacing(path) as aside:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # warnings of torch about itself
                (_write_onnx if path.suffix == ".onnx" else _write_program)(
                    generator, latents[:TRACED], aside, facts
                )
        except Exception as error:  # tracing fails in as many ways as there are layers
            raise WorkError(f"the generator cannot be exported: {_line(error)}") from error
        check(generator, latents, aside)


def check(generator: nn.Module, latents: Tensor, path: Path) -> None:
    """Run an exported file on all latents and on one alone, and compare with the generator.

    Raises
    ------
    WorkError
        If the program does not run, or a value differs by more than TOLERANCE.
    """
    run = _run_onnx if path.suffix == ".onnx" else _run_program
    for batch in (latents, latents[:1]):
        with torch.no_grad():
            expected = generator(batch)
        try:
            found = run(path, batch)
        except Exception as error:  # the runtime's own exceptions
            raise WorkError(f"the exported generator does not run: {_line(error)}") from error
        allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
        difference = float((found - expected).abs().max()) if found.shape == expected.shape else float("inf")
        if not difference <= allowed:
            raise WorkError(
                f"the exported generator gives other samples: a value differs by {difference:.2g}, "
                f"allowed is {allowed:.2g}"
            )


def _write_program(
    generator: nn.Module, latents: Tensor, path: Path, facts: ExportedGenerator | None
) -> None:
    program = torch.export.export(
        generator, (latents,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    )
    properties = facts.properties() if facts else {}
    content = json.dumps(properties, indent=2, ensure_ascii=False)
    torch.export.save(program, path, extra_files={FACTS: content})


def _run_program(path: Path, latents: Tensor) -> Tensor:
    with torch.no_grad():
        samples: Tensor = torch.export.load(path).module()(latents)
    return samples


def _write_onnx(generator: nn.Module, latents: Tensor, path: Path, facts: ExportedGenerator | None) -> None:
    program = torch.onnx.export(
        generator,
        (latents,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        input_names=[INPUT],
        output_names=[OUTPUT[facts is not None and facts.makes_points]],
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(facts.properties() if facts else {})
    program.save(path, external_data=False)


def _run_onnx(path: Path, latents: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (samples,) = session.run(None, {session.get_inputs()[0].name: latents.numpy()})
    return torch.from_numpy(samples)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
