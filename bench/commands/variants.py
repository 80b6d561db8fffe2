"""``bench variants``: list the variants, with parameter counts, presets and knobs."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from bench.commands import names
from bench.commands.output import Report, reporting, table
from bench.system.errors import RequestError, one_line

if TYPE_CHECKING:
    from variants.base import Variant


@click.command("variants")
@click.argument("name", required=False, type=names.Variant)
@reporting
def command(name: str | None) -> Report:
    """List the variants, or presets and knobs of one variant."""
    from bench.configuration import variant_named
    from variants.registry import all_variants

    if name is not None:
        return _details(variant_named(name))
    variants = all_variants().values()
    entries = [_entry(variant) for variant in variants]
    rows = [
        (
            entry.name,
            entry.title,
            "-" if entry.problem else f"{entry.parameters:,} ({entry.parameters_of})",
            ", ".join(entry.presets),
            entry.source,
        )
        for entry in entries
    ]
    header = ("variant", "what", "parameters (preset)", "presets", "source")
    problems = [f"{_with_package(entry.name)}: {entry.problem}" for entry in entries if entry.problem]
    text = "\n\n".join([table(rows, header), *(["Problems\n" + "\n".join(problems)] if problems else [])])
    return Report({"variants": [asdict(entry) for entry in entries]}, text)


def _with_package(name: str) -> str:
    """Return the name of a variant, with its package if it is another one."""
    from variants.registry import VARIANTS

    package = VARIANTS.package_of(name)
    return f"{name} (package {package})" if package else name


@dataclass(frozen=True)
class _Entry:
    """A line of the list.

    Attributes
    ----------
    parameters : int or None
        Those of the preset `parameters_of`; None if the networks cannot be built.
    problem : str
        Why the networks cannot be built, in one line; empty if they can.
    """

    name: str
    title: str
    source: str
    presets: tuple[str, ...]
    parameters: int | None
    parameters_of: str
    problem: str = ""


def _entry(variant: "type[Variant]") -> _Entry:
    from bench.configuration import presets_of, resolve
    from bench.training.cost import parameters

    facts = (variant.name, variant.title, variant.source)
    presets: tuple[str, ...] = ()
    try:
        presets = presets_of(variant)
        # without a published size, that of runs without further options
        counted = resolve({"variant": variant.name} | ({"preset": "paper"} if "paper" in presets else {}))
        return _Entry(*facts, presets, sum(parameters(counted).values()), counted.preset)
    # a variant of another package may raise anything, and the others are listed
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, RequestError) else f"{type(error).__name__}: {error}"
        return _Entry(*facts, presets, None, "", one_line(reason))


def _details(variant: "type[Variant]") -> Report:
    from bench.configuration import PRESETS, allowed, knobs_of, merge, preset_layers, presets_of
    from variants.knobs import search_of, unit_of

    rows: list[tuple[str, str, str, str]] = []
    data: list[dict[str, object]] = []
    for name, field in knobs_of(variant).items():
        search = search_of(field)
        data.append(
            {
                "name": name,
                "default": field.default,
                "allowed": allowed(field),
                "unit": unit_of(field),
                "description": field.description,
                "search": None if search is None else vars(search),
                "of": "variant" if name in variant.Hyperparameters.model_fields else "harness",
            }
        )
        rows.append((name, str(field.default), allowed(field), field.description or ""))
    facts = {"name": variant.name, "title": variant.title, "source": variant.source}
    presets = {name: merge(preset_layers(variant, name)) for name in presets_of(variant)}
    keys = [name for name in knobs_of(variant) if any(name in values for values in presets.values())]
    changed = [
        (key, *(str(values[key]) if key in values else "" for values in presets.values())) for key in keys
    ]
    text = "\n\n".join(
        (
            f"{variant.name}: {variant.title} ({variant.source})",
            table([(name, PRESETS[name].description) for name in presets], ("preset", "meant for")),
            table(changed, ("key", *presets)),
            table(rows, ("key", "default", "allowed", "what")),
        )
    )
    return Report(facts | {"knobs": data, "presets": presets}, text)
