"""Extension of griffe, which reads docstrings for the API reference: roles become links, knobs have texts."""

import re
from pkgutil import resolve_name
from typing import Any

from griffe import Attribute, Docstring, ExprCall, Extension, Module, NameResolutionError, Object

from bench.configuration import allowed
from bench.configuration.schema import Harness
from variants.base import VariantHyperparameters

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`(~?)([\w.]+)`")


class Docstrings(Extension):
    """Rewrites docstrings after a package is loaded."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Turn roles such as ``:class:`Batch``` into links, where the reference has the object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(lambda match: link(obj, match), obj.docstring.value)

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Do the same for a package itself, which is not handed to `on_object`."""
        self.on_object(obj=pkg)

    def on_attribute(self, *, attr: Attribute, **_: Any) -> None:
        """Give a knob of a run its description and allowed values as docstring, and its default as value."""
        if not isinstance(attr.value, ExprCall) or str(attr.value.function) != "knob":
            return
        assert attr.parent is not None
        kind = resolve_name(f"{attr.module.path}:{attr.parent.name}")
        if not issubclass(kind, Harness | VariantHyperparameters):
            return
        field = kind.model_fields[attr.name]
        attr.value = repr(field.default)
        attr.docstring = Docstring(f"{field.description}. Allowed: {allowed(field)}.", parent=attr)


def link(obj: Object, match: re.Match[str]) -> str:
    """A link to the object that a role names, as seen from `obj`; its bare name where there is none."""
    name = match[2]
    try:
        target = obj.resolve(name)
    except NameResolutionError:
        target = name
    shown = name.rpartition(".")[2] if match[1] else name
    return f'<autoref optional identifier="{target}"><code>{shown}</code></autoref>'
