"""Completion by bash, which splits a word at ``=``: ``key=value`` reaches a command as three words.

Importing this module makes it the completion of bash.
"""

from collections.abc import Sequence

from click.shell_completion import BashComplete, CompletionItem, add_completion_class


def joined(words: Sequence[str]) -> list[str]:
    """Return words with ``key``, ``=`` and ``value`` as one word again.

    An option and its value become two words. An empty word after ``=`` begins another word.
    """
    found: list[str] = []
    for word, before in zip(words, ["", *words], strict=False):
        follows = before == "=" and word
        if word == "=" and found and not found[-1].startswith("-"):
            found[-1] += word
        elif follows and found[-1] == "=":
            found[-1] = word
        elif follows:
            found[-1] += word
        else:
            found.append(word)
    return found


class SplittingBash(BashComplete):
    """Completion by bash of words with ``=``."""

    # click's own script sets a space after each completed word, and after `key=` the value follows
    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", "COMPREPLY+=($value)\n            [[ $value == *= ]] && compopt -o nospace"
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the whole words before the one to complete, and that one."""
        args, incomplete = super().get_completion_args()
        *before, word = joined([*args, incomplete])
        return before, word

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return completions of what follows the last ``=``, since bash replaces only that."""
        found = super().get_completions(args, incomplete)
        begun, equals, _ = incomplete.rpartition("=")
        if not equals or incomplete.startswith("-"):
            return found
        return [
            CompletionItem(item.value.removeprefix(begun + equals), item.type, item.help) for item in found
        ]


add_completion_class(SplittingBash)
