"""Messages for words of a command line that are no option, or one argument too many."""

import difflib
from collections.abc import Iterator, Sequence

import click

from bench.commands.names import Names
from bench.system.errors import shown


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
        near = difflib.get_close_matches(error.option_name, options, n=1, cutoff=0.5)
        message = f"{context.info_name} has no option {shown(error.option_name)}"
        return f"{message}: {_meant(context, near)}"
    # click has no class of its own for an argument too many
    extra = _extra(context, words) if type(error) is click.UsageError else []
    if not extra:
        return error.format_message()
    further = any(isinstance(each, click.Argument) for each in context.command.params)
    message = f"{context.info_name} takes no {'further ' if further else ''}argument {shown(extra[0])}"
    return f"{message}: {_meant(context, _options_of(extra[0], context))}"


def _meant(context: click.Context, near: Sequence[str]) -> str:
    if near:
        return f"did you mean {near[0]!r}?"
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
