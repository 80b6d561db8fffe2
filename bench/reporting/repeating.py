"""Commands that repeat runs, and commands that verify them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.configuration import EXECUTION_SETTINGS, resolve
from bench.configuration.resolution import NAMES
from bench.reporting.privacy import command_line
from bench.runs.description import RunDescription
from bench.runs.multirun_description import MULTIRUN_FILE, MultirunDescription, read_multirun
from bench.system import paths
from bench.system.errors import RequestError
from bench.system.json_values import JsonScalar

# options that decide nothing a run computes, with the number of values that follow each
_INCIDENTAL = {"--json": 0, "--parent": 1}
# options that a multirun sets for each of its runs
_OF_MEMBER = {"--variant": 1, "--seed": 1}


@dataclass(frozen=True)
class Command:
    """A command of ``bench``.

    Attributes
    ----------
    line : str
        The command line.
    makes : str
        What the command makes, in a few words.
    """

    line: str
    makes: str


def commands(descriptions: Sequence[RunDescription]) -> list[Command]:
    """Return the commands that were given: one for the runs of a multirun, else one per run.

    Parameters
    ----------
    descriptions : sequence of RunDescription
        The runs.
    """
    left = list(descriptions)
    found = []
    for multirun in _multiruns():
        members = [description for description in left if multirun.has(description)]
        arguments = {tuple(_without(_arguments(member), _OF_MEMBER)[1:]) for member in members}
        if len(arguments) != 1 or not all(map(_was_typed, members)):
            continue
        left = [description for description in left if description not in members]
        variants = ",".join(multirun.variants)
        seeds = _ranges(sorted(multirun.seeds))
        line = command_line(["run", "--variant", variants, "--seeds", seeds, *arguments.pop()])
        found.append(Command(line, f"{len(members)} of the runs"))
    return found + [_command(description) for description in left]


def verifications(descriptions: Sequence[RunDescription]) -> list[Command]:
    """Return the commands that train runs again and compare every recorded number."""
    return [Command(command_line(["verify", d.id]), d.name) for d in descriptions]


def _command(description: RunDescription) -> Command:
    if _was_typed(description):
        return Command(command_line(_arguments(description)), description.name)
    how = "extended" if description.extended_from else "made from Python"
    return Command(command_line(_equivalent(description.config.flat())), f"{description.name}, {how}")


def _was_typed(description: RunDescription) -> bool:
    """Whether a run has what its command ``bench run`` says: it was not made from Python, nor extended."""
    return description.command[:1] == ["run"] and description.extended_from is None


def _arguments(description: RunDescription) -> list[str]:
    """The arguments of the run's command that decide what is computed."""
    return _without(description.command, _INCIDENTAL)


def _without(arguments: Sequence[str], options: Mapping[str, int]) -> list[str]:
    """Return the arguments without some options and their values."""
    rest, kept = list(arguments), []
    while rest:
        argument = rest.pop(0)
        name, equals, _ = argument.partition("=")
        if name not in options:
            kept.append(argument)
        elif not equals:
            del rest[: options[name]]
    return kept


def _equivalent(config: Mapping[str, JsonScalar]) -> list[str]:
    """Return the arguments of a command that resolves to a run's configuration."""
    named = {name: config[name] for name in NAMES}
    try:
        default = resolve(named).flat()
    except RequestError:  # a variant or preset that is not installed
        default = {}
    arguments = ["run", *(part for name, value in named.items() for part in (f"--{name}", str(value)))]
    for name, value in config.items():
        known = name in default and default[name] == value
        if not (name in NAMES or known or name in EXECUTION_SETTINGS or (name == "epochs" and value is None)):
            arguments += ["--set", f"{name}={'none' if value is None else value}"]
    return arguments


def _multiruns() -> list[MultirunDescription]:
    """Return the descriptions of all multiruns, without those that cannot be read."""
    found = []
    for path in sorted(paths.multiruns().glob(f"*/{MULTIRUN_FILE}")):
        try:
            found.append(read_multirun(path))
        except (OSError, ValueError):
            continue
    return found


def _ranges(numbers: Sequence[int]) -> str:
    """``0-4,7``, of rising numbers."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)
