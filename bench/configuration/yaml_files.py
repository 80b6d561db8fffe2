"""YAML as configuration and study files have it: mappings, lists, texts, numbers, true and false, null.

All other features of YAML are refused: aliases, which make a small file huge; tags; dates; keys that are
not text; keys given twice. Plain scalars are read by the rules of YAML 1.2: ``yes`` is a text.
"""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from bench.system.errors import RequestError, printable, shown

LARGEST_FILE = 2**18  # bytes
DEEPEST = 12  # mappings and lists within each other
LONGEST_NUMBER = 40  # digits; longer ones are left as texts, which no number accepts

INT, FLOAT, BOOL, NULL = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))


class _Rules:
    """YAML 1.2's rules for plain scalars, without its octal and hexadecimal numbers, infinities and NaN."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}


class _Loader(_Rules, yaml.SafeLoader):
    """Loader of a text that :func:`_check` accepted."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a dict; refuse keys that are not text or are given twice."""
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                word = shown(key.value) if isinstance(key, yaml.ScalarNode) else f"of a {key.id}"
                raise _refused(key, f"the key {word} is no text")
            if key.value in seen:
                raise _refused(key, f"the key {shown(key.value)} is given twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def whole_number(self, node: Any) -> int | str:
        """Read a decimal integer; leading zeros are allowed."""
        text = str(node.value)
        return int(text) if len(text) <= LONGEST_NUMBER else text

    def number(self, node: Any) -> float | str:
        """Read a number as Python does; a number that overflows stays a text."""
        text = str(node.value)
        return float(text) if len(text) <= LONGEST_NUMBER and abs(float(text)) != float("inf") else text


class _Dumper(_Rules, yaml.SafeDumper):
    """Dumper that quotes texts which the loader would read as another type."""


for _kind in (_Loader, _Dumper):
    for _tag, _pattern, _first in (
        (BOOL, r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
        (NULL, r"~|null|Null|NULL|", [*"~nN", ""]),
        (INT, r"[-+]?[0-9]+", [*"-+0123456789"]),
        (FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
    ):
        _kind.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)
_Loader.add_constructor(INT, _Loader.whole_number)
_Loader.add_constructor(FLOAT, _Loader.number)


def _refused(node: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def read(path: Path) -> dict[str, Any]:
    """Read a file that holds one mapping.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    RequestError
        If it cannot be read, is too large or too deep, is not YAML, or holds anything but plain values by
        text keys.
    """
    name = f"configuration file {shown(str(path))}"
    text = _text(path, name)
    try:
        _check(text)
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise RequestError(f"{name} is not such YAML as is read here: {_problem_of(error)}") from None
    if not isinstance(content, dict):
        raise RequestError(f"{name} must hold 'key: value' lines")
    return content


def dump(content: Mapping[str, Any]) -> str:
    """Return YAML that :func:`read` reads as the same values, in the order of the mapping."""
    return str(yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _text(path: Path, name: str) -> str:
    try:
        # a pipe would wait for ever for its writer
        if not stat.S_ISREG(path.stat().st_mode):
            raise RequestError(f"{name} cannot be read: it is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise RequestError(f"{name} cannot be read: it has more than {LARGEST_FILE:,} bytes")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise RequestError(f"{name} cannot be read: {error.strerror or error}") from None
    except ValueError:
        # a NUL in the path, too
        raise RequestError(f"{name} cannot be read: it is no UTF-8 text") from None


def _check(text: str) -> None:
    """Refuse aliases, tags and depth, event by event: nothing is built, so nothing grows or recurses."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            raise _refused(event, "anchors (&) and aliases (*) are not allowed")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise _refused(event, f"tags are not allowed: {shown(event.tag)}")
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise _refused(event, f"lists and mappings lie more than {DEEPEST} deep")
        elif isinstance(event, CollectionEndEvent):
            depth -= 1


def _problem_of(error: yaml.YAMLError) -> str:
    """Return the line number and the problem, without an excerpt of the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        return where + printable(error.problem or error.context or "it is damaged")[:160]
    return printable(str(error))[:160]
