"""Names and choices of knobs, read from the text of modules that are not imported.

As :mod:`variants.stated_names`: a shell that completes a word cannot wait for torch and pydantic.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StatedKnob:
    """A knob as its declaration states it.

    Attributes
    ----------
    description : str
        Meaning of the knob, empty where the text is put together.
    choices : tuple of str
        The values that the type allows, as words of a command line; empty for a knob with a range.
    """

    description: str
    choices: tuple[str, ...]


def stated_knobs(files: Iterable[Path]) -> dict[str, StatedKnob]:
    """Return the knobs that classes in modules declare, in alphabetical order.

    A knob that several classes declare has the choices of all of them.

    Parameters
    ----------
    files : iterable of Path
        The modules. A module that cannot be read has no knobs.
    """
    modules = []
    for file in files:
        with suppress(OSError, ValueError, SyntaxError):
            modules.append(ast.parse(file.read_bytes()))
    aliases = {name: value for module in modules for name, value in _aliases(module)}
    found: dict[str, StatedKnob] = {}
    for module in modules:
        for name, annotation, call in _declarations(module):
            choices = _choices(annotation, aliases)
            known = found.get(name)
            if known:
                choices = tuple(dict.fromkeys((*known.choices, *choices)))
            text = known.description if known else next(_texts(call.args[1:2]), "")
            found[name] = StatedKnob(text, choices)
    return dict(sorted(found.items()))


def _aliases(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield names of the module that stand for a type of literals."""
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Subscript):
            yield from (
                (each.id, statement.value) for each in statement.targets if isinstance(each, ast.Name)
            )


def _declarations(module: ast.Module) -> Iterator[tuple[str, ast.expr, ast.Call]]:
    """Yield name, type and declaration of each knob."""
    for statement in module.body:
        for line in statement.body if isinstance(statement, ast.ClassDef) else ():
            if (
                isinstance(line, ast.AnnAssign)
                and isinstance(line.target, ast.Name)
                and isinstance(line.value, ast.Call)
                and isinstance(line.value.func, ast.Name)
                and line.value.func.id == "knob"
            ):
                yield line.target.id, line.annotation, line.value


def _choices(annotation: ast.expr, aliases: Mapping[str, ast.expr]) -> tuple[str, ...]:
    """Return the values of a type of literals or of a boolean; none may be another one."""
    if isinstance(annotation, ast.BinOp):
        left, right = (_choices(each, aliases) for each in (annotation.left, annotation.right))
        is_optional = isinstance(annotation.right, ast.Constant) and annotation.right.value is None
        return (*left, *right, "none") if left and is_optional else (*left, *right)
    if isinstance(annotation, ast.Name) and annotation.id == "bool":
        return ("true", "false")
    if isinstance(annotation, ast.Name) and annotation.id in aliases:
        return _choices(aliases[annotation.id], {})
    if isinstance(annotation, ast.Subscript) and getattr(annotation.value, "id", "") == "Literal":
        inner = annotation.slice
        values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        return tuple(str(each.value) for each in values if isinstance(each, ast.Constant))
    return ()


def _texts(values: Iterable[ast.expr]) -> Iterator[str]:
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value
