"""``bench variants``: list the variants, with parameter counts and knobs."""

from typing import TYPE_CHECKING

import click

from bench.commands.output import Report, reporting, table

if TYPE_CHECKING:
    from variants.base import Variant


@click.command("variants")
@click.argument("name", required=False)
@reporting
def command(name: str | None) -> Report:
    """List the variants, or the knobs of one variant."""
    from bench.configuration import variant_named
    from variants.registry import all_variants

    if name is not None:
        return _knobs(variant_named(name))
    variants = all_variants().values()
    entries = [_entry(variant) for variant in variants]
    rows = [
        (variant.name, variant.title, entry["parameters"], ", ".join(variant.presets), variant.source)
        for variant, entry in zip(variants, entries, strict=True)
    ]
    header = ("variant", "what", "parameters (paper)", "presets", "source")
    return Report({"variants": entries}, table(rows, header))


def _entry(variant: "type[Variant]") -> dict[str, object]:
    from bench.configuration import resolve
    from bench.training.cost import cost

    paper = resolve({"variant": variant.name, "preset": "paper"})
    return {
        "name": variant.name,
        "title": variant.title,
        "source": variant.source,
        "presets": list(variant.presets),
        "parameters": cost(paper).all_parameters,
    }


def _knobs(variant: "type[Variant]") -> Report:
    from bench.configuration import allowed, knobs_of
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
    head = f"{variant.name}: {variant.title} ({variant.source})"
    text = f"{head}\n\n{table(rows, ('key', 'default', 'allowed', 'what'))}"
    return Report(facts | {"knobs": data, "presets": variant.presets}, text)
