"""Messages for words of a command line that are no option, or one argument too many."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import suppress

import click

from bench.commands.names import Names
from bench.comparing.numbers import listed
from bench.system.errors import RequestError, shown


def explained(error: click.UsageError, words: Sequence[str]) -> str:
    """Return the message for a command line that click refuses, with what was probably meant.

    Parameters
    ----------
    error : UsageError
        What click raised.
    words : sequence of str
        The arguments of the command line.
    """
    context = error.ctx
    if context is None:
        return error.format_message()
    if isinstance(error, click.NoSuchOption):
        options = [name for option in _options(context) for name in option.opts if name.startswith("--")]
        near = difflib.get_close_matches(error.option_name, options, n=1, cutoff=0.8)
        # the answer to a plain misspelling waits for no import
        if not near and "--where" in options:
            near = _condition(error.option_name, words)
        message = f"{context.info_name} has no option {shown(error.option_name)}"
        if not near and (others := _commands_with(error.option_name, context)):
            return f"{message}, which {others} have: {_meant(context, near)}"
        # whoever misspells an option rarely means its help
        names = [option.removeprefix("--") for option in options if option != "--help"]
        # without the hyphens, which all options share
        close = difflib.get_close_matches(error.option_name.lstrip("-"), names, n=1, cutoff=0.5)
        near = near or [f"--{name}" for name in close]
        return f"{message}: {_meant(context, near)}"
    # click has no class of its own for an argument too many
    extra = _extra(context, words) if type(error) is click.UsageError else []
    if not extra:
        return error.format_message()
    further = any(isinstance(each, click.Argument) for each in context.command.params)
    message = f"{context.info_name} takes no {'further ' if further else ''}argument {shown(extra[0])}"
    return f"{message}: {_meant(context, _options_of(extra[0], context))}"


def _commands_with(option: str, context: click.Context) -> str:
    """Return the names of the other commands that have an option, as text; empty unless there are two."""
    root = context.find_root()
    group = root.command
    found = []
    for name in group.list_commands(root) if isinstance(group, click.Group) else ():
        # torchrun is refused for most commands
        with suppress(RequestError):
            command = group.get_command(root, name) if isinstance(group, click.Group) else None
            if command and any(option in each.opts for each in command.params):
                found.append(name)
    return listed(found) if len(found) > 1 else ""


def _condition(option: str, words: Sequence[str]) -> list[str]:
    """Return the ``--where`` for an option that names a column of runs, as a list of one or none."""
    name = option.removeprefix("--").replace("-", "_")
    if not _is_column(name):
        return []
    given = [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    given += [value for word, value in zip(words, words[1:], strict=False) if word == option]
    return [f'--where "{name} == {_in_condition(given[0] if given else "...")}"']


def _is_column(name: str) -> bool:
    """Whether a condition may name a column of the runs' identity, or a knob of the harness or a variant."""
    from bench.comparing.columns import SELECTABLE
    from bench.configuration import Harness

    if name in SELECTABLE or name in Harness.model_fields:
        return True
    from variants.registry import all_variants

    return any(name in variant.Hyperparameters.model_fields for variant in all_variants().values())


def _in_condition(word: str) -> str:
    """Return a value as it is written in a condition."""
    if word.lower() in ("true", "false"):
        return word.capitalize()
    try:
        float(word)
    except ValueError:
        return f"'{word}'"
    return word


def _meant(context: click.Context, near: Sequence[str]) -> str:
    if near:
        quote = "`" if "'" in near[0] else "'"
        return f"did you mean {quote}{near[0]}{quote}?"
    return f"`{context.command_path} --help` lists what there is"


def _options(context: click.Context) -> list[click.Option]:
    """Return the options of a command that its help shows."""
    return [
        option
        for option in context.command.get_params(context)
        if isinstance(option, click.Option) and not option.hidden
    ]


def _extra(context: click.Context, words: Sequence[str]) -> list[str]:
    """Return the words that are left when a command has all its arguments."""
    name = context.info_name
    if name is None or name not in words:
        return []
    own = list(words[list(words).index(name) + 1 :])
    _, rest, _ = context.command.make_parser(context).parse_args(own)
    return rest


def _options_of(word: str, context: click.Context) -> list[str]:
    """Return the option whose names hold a word, or the nearest one, with the word, as a list of one or none.

    Of several options with the nearest name the first one counts.
    """
    found = list(_named(word, context))
    near = difflib.get_close_matches(word, [name for _, name in found], n=1, cutoff=0.7)
    return [f"{option} {name}" for option, name in found if [name] == near][:1]


def _named(word: str, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each option with each name that it may have; of a list of names each must be known."""
    for option in _options(context):
        if isinstance(option.type, Names):
            known = option.type.known()
            parts = word.split(",") if option.type.several else [word]
            if len(parts) > 1 and set(parts) <= set(known):
                yield option.opts[0], word
            yield from ((option.opts[0], name) for name in known)
