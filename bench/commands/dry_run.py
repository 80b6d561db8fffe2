"""Reports of ``bench run --dry-run``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.commands.output import Report, setting, table
from bench.system.errors import RequestError

if TYPE_CHECKING:
    from bench.configuration import Configuration
    from bench.training.cost import Cost


def dry_run_report(configuration: "Configuration") -> Report:
    """Report configuration, parameter counts and cost of a step, without data or training."""
    from bench.configuration import knobs_of
    from variants.knobs import unit_of

    cost = cost_of(configuration)
    knobs = knobs_of(configuration.variant)
    rows = [
        (name, setting(value), unit_of(knobs[name]) if name in knobs else "")
        for name, value in configuration.flat().items()
    ]
    networks = ", ".join(f"{label} {count:,}" for label, count in cost.parameters.items())
    costs = [
        ("parameters", f"{cost.all_parameters:,} ({networks})"),
        ("operations of a step", _operations(cost)),
        ("configuration hash", configuration.hash()[:16]),
    ]
    return Report(_data(configuration, cost), table(rows) + "\n\n" + table(costs))


def dry_run_report_of_many(configurations: Sequence["Configuration"], seeds: Sequence[int]) -> Report:
    """Report parameter counts and cost of a step of several variants, one configuration each."""
    rows, data = [], {}
    for configuration in configurations:
        name, harness, cost = configuration.variant.name, configuration.harness, cost_of(configuration)
        length = harness.steps or f"{harness.epochs} epochs"
        networks = ", ".join(f"{label} {count:,}" for label, count in cost.parameters.items())
        rows.append((name, networks, _operations(cost), length, len(seeds)))
        data[name] = _data(configuration, cost)
    header = ("variant", "parameters", "a step", "steps", "runs")
    return Report({"variants": data, "seeds": seeds}, table(rows, header))


def cost_of(configuration: "Configuration") -> "Cost":
    """Return the cost of a configuration; RequestError if its networks or its judge cannot be built."""
    from bench.execution.setup import require_names
    from bench.training.cost import cost

    require_names(configuration.harness)
    try:
        return cost(configuration)
    except ValueError as error:
        raise RequestError(str(error)) from None


def _operations(cost: "Cost") -> str:
    if cost.step_operations is None:
        return "not counted: it reads values of tensors"
    return f"{cost.step_operations / 1e9:.3g} GFLOP"


def _data(configuration: "Configuration", cost: "Cost") -> dict[str, object]:
    return {
        "config": configuration.flat(),
        "config_hash": configuration.hash(),
        "parameters": cost.parameters | {"total": cost.all_parameters},
        "step_operations": cost.step_operations,
    }
