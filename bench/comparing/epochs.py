"""How many passes over the real images a step of training is."""

import json
from functools import lru_cache
from typing import Any

from bench.configuration import CIRCUMSTANCES
from bench.datasets import sample_shape


def epochs_per_step(description: dict[str, Any]) -> float:
    """Passes over the real images that one generator update takes, as the trainer counts them.

    Parameters
    ----------
    description : dict
        What a run's run.json says.

    Returns
    -------
    float
        Real batches of a step over batches of an epoch; above 0. An epoch without its short last
        batch counts as a whole one.

    Raises
    ------
    RequestError
        If the run's variant is not installed.
    """
    config = description["config"]
    size, count = config["batch_size"], description["data"]["count"]
    batches = count // size if config["drop_last"] else -(-count // size)
    networks = {name: value for name, value in config.items() if name not in CIRCUMSTANCES | {"seed"}}
    return _real_batches(json.dumps(networks, sort_keys=True)) / batches


@lru_cache(maxsize=1024)
def _real_batches(config: str) -> int:
    """New real batches in the phases of a step, asked of the variant, built without memory."""
    import torch

    from bench.runs.generator import configuration_of

    configuration = configuration_of({"config": json.loads(config)})
    harness = configuration.harness
    shape = sample_shape(harness.dataset, harness.image_size, harness.channels)
    with torch.device("meta"):
        variant = configuration.variant(configuration.hyperparameters, shape)
    return sum(phase.new_real_batch for phase in variant.phases())
