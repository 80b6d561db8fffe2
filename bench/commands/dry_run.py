"""The report of ``bench run --dry-run``."""

from typing import TYPE_CHECKING

from bench.commands.output import Report, table
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from bench.configuration import Configuration


def dry_run_report(configuration: "Configuration") -> Report:
    """Tell configuration, parameter counts and the cost of a step, without data or training."""
    from bench.configuration import knobs_of
    from bench.training.cost import cost
    from variants.knobs import unit_of

    try:
        price = cost(configuration)
    except ValueError as error:
        raise RequestError(str(error)) from None
    flat = configuration.flat()
    knobs = knobs_of(configuration.variant)
    rows = [(name, str(value), unit_of(knobs[name]) if name in knobs else "") for name, value in flat.items()]
    total = price.generator_parameters + price.discriminator_parameters
    costs = [
        (
            "parameters",
            f"{total:,} (generator {price.generator_parameters:,}, "
            f"discriminator {price.discriminator_parameters:,})",
        ),
        ("operations of a step", f"{price.step_operations / 1e9:.3g} GFLOP"),
        ("configuration hash", configuration.hash()[:16]),
    ]
    data = {
        "config": flat,
        "config_hash": configuration.hash(),
        "parameters": {
            "generator": price.generator_parameters,
            "discriminator": price.discriminator_parameters,
            "total": total,
        },
        "step_operations": price.step_operations,
    }
    return Report(data, table(rows) + "\n\n" + table(costs))
