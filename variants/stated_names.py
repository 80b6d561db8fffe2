"""Names of variants and data sets, read from the text of modules that are not imported.

Importing the modules imports torch, which takes seconds: too long for a shell that completes a word. A name
is seen where a class with the decorator ``register`` states it as ``name = "..."``; others are missing.
"""

import ast
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path


def stated_names(folder: Path, group: str) -> dict[str, str]:
    """Return the names that modules state, in alphabetical order, each with the title, or an empty text.

    Parameters
    ----------
    folder : Path
        Folder of the modules of this project.
    group : str
        Group of the entry points of other packages.
    """
    found: dict[str, str] = {}
    for file in [*sorted(folder.glob("*.py")), *_modules_of_packages(group)]:
        # a module that cannot be read has no names: using it reports why
        with suppress(OSError, ValueError, SyntaxError):
            for name, title in _names_in(ast.parse(file.read_bytes())):
                found.setdefault(name, title)
    return dict(sorted(found.items()))


def _names_in(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield name and title of each registered class."""
    for statement in module.body:
        if isinstance(statement, ast.ClassDef) and any(map(_is_register, statement.decorator_list)):
            texts = dict(_texts_of(statement))
            if "name" in texts:
                yield texts["name"], texts.get("title") or texts.get("description", "")


def _is_register(decorator: ast.expr) -> bool:
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return bool(name == "register")


def _texts_of(statement: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a class that are texts."""
    for line in statement.body:
        if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            for target in targets:
                if isinstance(target, ast.Name) and isinstance(line.value.value, str):
                    yield target.id, line.value.value


def _modules_of_packages(group: str) -> Iterator[Path]:
    """Yield the files of the modules that entry points name."""
    # imported here, since only a shell that completes a word needs it
    from importlib.metadata import entry_points

    with suppress(Exception):  # the metadata of any installed package may be damaged
        for entry_point in entry_points(group=group):
            top, *inner = entry_point.module.split(".")
            # the parent of a module would be imported to find it, so the module is looked for in its folder
            spec = find_spec(top)
            if spec is None:
                continue
            if not inner and spec.origin:
                yield Path(spec.origin)
            for place in spec.submodule_search_locations or () if inner else ():
                path = Path(place, *inner)
                yield path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
