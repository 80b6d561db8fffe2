"""Registries of named parts, which other packages extend by entry points.

There is one registry for each kind of part: variants, data sets, metrics and extractors. A package adds parts
by entry points in the group of the kind; each entry point names a module, or an object of a module, and
the module registers its parts by decorator. Entry points are imported when a registry is first read. An entry
point that fails is passed over with a warning, and everything else goes on working.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Generic, TypeVar

Entry = TypeVar("Entry")
Definition = type | Callable[..., object]  # the class or function that a decorator registers

GROUPS = ("began_bench.variants", "began_bench.datasets", "began_bench.metrics", "began_bench.extractors")
LONGEST_REASON = 300
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_log = logging.getLogger(__name__)


class RegistrationError(ValueError):
    """A part cannot be registered; the message is one line."""


@dataclass(frozen=True)
class Plugin:
    """One entry point of another package.

    Attributes
    ----------
    kind : str
        Kind of part, such as ``"variant"``.
    package, version : str
        The installed package.
    entry_point, target : str
        Name of the entry point, and what it points to: ``module`` or ``module:object``.
    names : tuple of str
        The parts that it registers.
    problem : str
        Why it was passed over, in one line; empty if it was not.
    """

    kind: str
    package: str
    version: str
    entry_point: str
    target: str
    names: tuple[str, ...] = ()
    problem: str = ""


class Registry(Generic[Entry]):
    """Parts of one kind by name.

    Parameters
    ----------
    kind : str
        Kind of part, such as ``"variant"``.
    group : str
        Group of the entry points that add parts, such as ``"began_bench.variants"``.
    import_own : callable, optional
        Imports the modules of this project that register parts, if the registry does not come with them.
    """

    def __init__(self, kind: str, group: str, import_own: Callable[[], None] | None = None) -> None:
        self.kind = kind
        self.group = group
        self._import_own = import_own
        self._entries: dict[str, Entry] = {}
        self._definitions: dict[str, Definition] = {}
        self._plugins: list[Plugin] | None = None
        self._passed_over: set[str] = set()

    def add(self, name: str, entry: Entry, definition: Definition) -> None:
        """Register a part; a definition that is run again, as in a notebook, replaces its earlier one.

        Parameters
        ----------
        name : str
            Its name.
        entry : object
            What the registry holds.
        definition : class or function
            What the decorator was applied to.

        Raises
        ------
        RegistrationError
            If the name is not possible, or is that of another part.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise RegistrationError(
                f"{self.kind} {name!r}: a name has letters, digits and _ . : - after a letter or a digit"
            )
        other = self._definitions.get(name, definition)
        if (other.__module__, other.__qualname__) != (definition.__module__, definition.__qualname__):
            raise RegistrationError(
                f"two {self.kind}s are named {name!r}: {_shown(other)} and {_shown(definition)}"
            )
        self._entries[name] = entry
        self._definitions[name] = definition

    def registered(self) -> dict[str, Entry]:
        """Return the parts that are registered so far; other than :meth:`entries`, imports nothing."""
        return dict(self._entries)

    def package_of(self, name: str) -> str:
        """Return the package whose entry point registered a part; empty for a part of no such package."""
        return next((each.package for each in self._plugins or () if name in each.names), "")

    def pass_over(self, name: str, error: BaseException | str) -> str:
        """Warn, once in a process, that a part failed where it was not asked for.

        Parameters
        ----------
        name : str
            Name of the part.
        error : exception or str
            What the part raised, or what is wrong with it.

        Returns
        -------
        str
            The reason, in one line.
        """
        reason = error if isinstance(error, str) else _reason(error)
        if name not in self._passed_over:
            self._passed_over.add(name)
            package = self.package_of(name)
            of_package = f" of package {package}" if package else ""
            _log.warning("warning: %s %r%s is passed over: %s", self.kind, name, of_package, reason)
        return reason

    def entries(self) -> dict[str, Entry]:
        """Return all parts by name, in the order of their registration, those of other packages last."""
        self.plugins()
        return dict(self._entries)

    def plugins(self) -> tuple[Plugin, ...]:
        """Return the entry points of other packages; the first call imports them."""
        if self._plugins is None:
            # set before the imports, so that a plug-in may read the registry while it is imported
            self._plugins = []
            if self._import_own is not None:
                self._import_own()
            self._plugins += [self._load(entry_point) for entry_point in self._entry_points()]
        return tuple(self._plugins)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Forget at exit what is registered in between, for tests."""
        self.plugins()
        entries, definitions = dict(self._entries), dict(self._definitions)
        passed_over = set(self._passed_over)
        try:
            yield
        finally:
            self._entries, self._definitions = entries, definitions
            self._passed_over = passed_over

    def _entry_points(self) -> list[EntryPoint]:
        try:
            found = entry_points(group=self.group)
        except Exception as error:  # the metadata of any installed package may be damaged
            _log.warning("warning: %s are not read: %s", self.group, _reason(error))
            return []
        return sorted(found, key=lambda each: (_package(each), each.name, each.value))

    def _load(self, entry_point: EntryPoint) -> Plugin:
        entries, definitions = dict(self._entries), dict(self._definitions)
        names: tuple[str, ...] = ()
        problem = ""
        try:
            # standard output is the command's: with --json it is one object
            with redirect_stdout(sys.stderr):
                loaded = entry_point.load()
            names = self._registered_by(entry_point, loaded, entries)
        # a plug-in may raise anything, and SystemExit is no Exception
        except (Exception, SystemExit) as error:
            problem = _reason(error)
            self._entries, self._definitions = entries, definitions
        package, version = _package(entry_point), entry_point.dist.version if entry_point.dist else ""
        plugin = Plugin(self.kind, package, version, entry_point.name, entry_point.value, names, problem)
        if problem:
            _log.warning(
                "warning: entry point %r of package %s (%s) is passed over: %s",
                plugin.entry_point,
                plugin.package,
                self.group,
                problem,
            )
        return plugin

    def _registered_by(
        self, entry_point: EntryPoint, loaded: object, before: dict[str, Entry]
    ) -> tuple[str, ...]:
        """Return the names of the parts that an entry point registers.

        Another entry point may have imported the module already, so parts that the module defines count too.
        """
        module = entry_point.module
        names = [
            name
            for name, definition in self._definitions.items()
            if name not in before or f"{definition.__module__}.".startswith(f"{module}.")
        ]
        if not isinstance(loaded, ModuleType):
            names = [name for name in names if self._definitions[name] is loaded]
        if not names:
            raise RegistrationError(f"{entry_point.value} registers no {self.kind}: is a decorator missing?")
        return tuple(names)


def packages() -> dict[str, str]:
    """Return the versions of the installed packages with plug-ins of any kind; nothing is imported."""
    try:
        found = [each for group in GROUPS for each in entry_points(group=group)]
    except Exception:  # a registry reports it when it is read
        return {}
    return {each.dist.name: each.dist.version for each in found if each.dist}


def _package(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else ""


def _shown(definition: Definition) -> str:
    return f"{definition.__module__}.{definition.__qualname__}"


def _reason(error: BaseException) -> str:
    message = " ".join(str(error).split())
    name = type(error).__name__
    line = message if isinstance(error, RegistrationError) else f"{name}: {message}" if message else name
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 3]}..."
