"""``bench variants``: list the variants, with parameter counts, presets and knobs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import click

from bench.commands import names
from bench.commands.output import WIDTH, Report, reporting, setting, table, wrapped
from bench.system.errors import RequestError, one_line

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from variants.base import Variant
    from variants.knobs import Search, Setting


@click.command("variants")
@click.argument("name", required=False, type=names.Variant)
@click.option(
    "--preset",
    metavar="NAME",
    type=names.Preset,
    help="Show the values of this preset of one variant [default: the values that no preset changed].",
)
@reporting
def command(name: str | None, preset: str | None) -> Report:
    """List the variants, or presets and knobs of one variant.

    Of a knob the list has the value, the range that studies search by default, the meaning and the allowed
    values.
    """
    from bench.configuration import variant_named
    from variants.registry import all_variants

    if name is not None:
        return _details(variant_named(name), preset)
    if preset is not None:
        raise RequestError("--preset shows the values of one variant: give its NAME too")
    variants = all_variants().values()
    entries = [_entry(variant) for variant in variants]
    rows = [
        (
            entry.name,
            entry.title,
            "-" if entry.problem else f"{entry.parameters:,} ({entry.parameters_of})",
            ", ".join(entry.presets),
        )
        for entry in entries
    ]
    header = ("variant", "what", "parameters", "presets")
    sources = [wrapped(f"{entry.name}: {entry.source}") for entry in entries]
    problems = [f"{_with_package(entry.name)}: {entry.problem}" for entry in entries if entry.problem]
    parts = [table(rows, header, WIDTH), "Sources\n" + "\n".join(sources)]
    if problems:
        parts.append("Problems\n" + "\n".join(problems))
    text = "\n\n".join(parts)
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


def _details(variant: "type[Variant]", preset: str | None) -> Report:
    """Report the presets and knobs of a variant: values are defaults, or what a preset makes of them."""
    from bench.configuration import PRESETS, knobs_of, merge, preset_layers, presets_of, resolve

    facts: dict[str, object] = {"name": variant.name, "title": variant.title, "source": variant.source}
    values: dict[str, Setting] | None = None
    if preset is not None:
        values = resolve({"variant": variant.name, "preset": preset}).flat()
        facts |= {"preset": preset, "values": values}
    presets = {name: merge(preset_layers(variant, name)) for name in presets_of(variant)}
    parts = [
        f"{variant.name}: {variant.title}\n{wrapped(variant.source)}",
        table([(name, PRESETS[name].description) for name in presets], ("preset", "meant for")),
    ]
    if values is None:
        keys = [name for name in knobs_of(variant) if any(name in each for each in presets.values())]
        rows = [
            (key, *(setting(each[key]) if key in each else "" for each in presets.values())) for key in keys
        ]
        parts.append("What each preset sets\n" + table(rows, ("key", *presets)))
    knobs = [_knob(variant, name, field) for name, field in knobs_of(variant).items()]
    for title, of in ((f"Knobs of {variant.name}", "variant"), ("Knobs of the harness", "harness")):
        parts.append(f"{title}\n{_knobs([knob for knob in knobs if knob.of == of], preset, values)}")
    return Report(facts | {"knobs": [asdict(knob) for knob in knobs], "presets": presets}, "\n\n".join(parts))


@dataclass(frozen=True)
class _Knob:
    """What is declared of a knob.

    Attributes
    ----------
    name, description, unit, allowed : str
        Its key, meaning, unit and allowed values.
    default : object
        Value unless a preset or the user sets another.
    search : Search or None
        The range that studies search by default.
    of : {"variant", "harness"}
        Who declares it.
    """

    name: str
    default: "Setting"
    allowed: str
    unit: str
    description: str
    search: "Search | None"
    of: Literal["variant", "harness"]

    @property
    def searched(self) -> str:
        """The range as text; empty without one."""
        if self.search is None:
            return ""
        return f"{self.search.low:g} to {self.search.high:g}" + (
            ", log" if self.search.scale == "log" else ""
        )


def _knob(variant: "type[Variant]", name: str, field: "FieldInfo") -> _Knob:
    from bench.configuration import allowed
    from variants.knobs import search_of, unit_of

    return _Knob(
        name=name,
        default=field.default,
        allowed=allowed(field),
        unit=unit_of(field),
        description=field.description or "",
        search=search_of(field),
        of="variant" if name in variant.Hyperparameters.model_fields else "harness",
    )


def _knobs(knobs: Sequence[_Knob], preset: str | None, values: "Mapping[str, Setting] | None") -> str:
    """Return a table of knobs: name, value, range that studies search, meaning and allowed values."""
    rows = []
    for knob in knobs:
        value = knob.default if values is None else values[knob.name]
        changed = "" if value == knob.default else f"; default {setting(knob.default)}"
        meaning = f"{knob.description} [{knob.allowed}{changed}]"
        rows.append((knob.name, setting(value), knob.searched, meaning))
    header = ("key", preset or "default", "searched", "meaning [allowed values]")
    if not any(knob.search for knob in knobs):
        return table([(key, value, text) for key, value, _, text in rows], (*header[:2], header[3]), WIDTH)
    return table(rows, header, WIDTH)
