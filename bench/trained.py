"""Networks of a run, rebuilt from its configuration and a checkpoint."""

from typing import Any

from torch import nn

from bench import checkpoint, record
from bench.configuration import Configuration, variant_named
from bench.errors import RequestError
from bench.run_folder import RunFolder
from bench.trainer import best_checkpoints
from variants.base import Variant


def configuration_of(description: dict[str, Any]) -> Configuration:
    """The resolved configuration that a run's description holds."""
    config = dict(description["config"])
    variant, preset = variant_named(config.pop("variant")), config.pop("preset")
    return Configuration(variant, preset, config)


def load_variant(run: RunFolder, which: str = "best") -> tuple[Variant, nn.Module, int]:
    """Load a run's networks.

    Parameters
    ----------
    run : RunFolder
        The run.
    which : str
        ``best`` (by Fréchet distance), ``best-M``, ``last`` or a step that has a checkpoint.

    Returns
    -------
    variant : Variant
        With all networks, in eval mode, on the CPU.
    generator : nn.Module
        The one that is judged: the moving average where the run keeps one.
    step : int
        The step of the checkpoint.

    Raises
    ------
    RequestError
        If there is no such checkpoint.
    WorkError
        If its file is damaged.
    """
    description = run.describe()
    rows = record.read(run.record_path)
    best = best_checkpoints(rows, description["metric"])
    kept = {row["step"]: row for row in rows.checkpoints if (run.checkpoints / row["file"]).exists()}
    named = {str(step): row for step, row in kept.items()}
    if kept:
        named["last"] = kept[max(kept)]
        named["best"] = best.get(description["metric"], named["last"])
    if "M" in best:
        named["best-M"] = best["M"]
    if which not in named:
        raise RequestError(
            f"checkpoint {which!r} does not exist: run {run.id} has {', '.join(named) or 'none'}"
        )
    state = checkpoint.read(run.checkpoints / named[which]["file"])
    configuration = configuration_of(description)
    size = configuration.harness.image_size
    shape = (description["config"]["channels"], size, size)
    variant = configuration.variant(configuration.hyperparameters, shape)
    variant.load_state_dict(state["variant"])
    if state["average"] is not None:
        average = {
            name.removeprefix("module."): value
            for name, value in state["average"].items()
            if name != "n_averaged"
        }
        variant.generator.load_state_dict(average)
    variant.eval()
    return variant, variant.generator, state["step"]
