"""A page is passed on: it names no folder of the machine that made it."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.system import paths

SHORTENED = "\N{HORIZONTAL ELLIPSIS}"
# two components at least: a lone "/x" is hardly a path
_ABSOLUTE = re.compile(r"""(?<![^\s=:'"(,\[])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'",;()\[\]]+){2,}[/\\]?""")


def without_paths(text: str) -> str:
    """Shorten every absolute path in a text to its last component."""
    # these may hold spaces, which the pattern would take for an end
    for known in {str(paths.home()), str(paths.cache()), str(Path.home())}:
        if known.count("/") > 1 or "\\" in known:
            text = text.replace(known + "/", f"{SHORTENED}/").replace(known, SHORTENED)
    return _ABSOLUTE.sub(lambda found: _shortened(found[0]), text)


def command_line(words: Sequence[str]) -> str:
    """Words of ``bench`` as a line for a shell, absolute paths shortened to their last component."""
    return shlex.join(["bench", *map(_word, words)]).replace(f"'{SHORTENED}'", SHORTENED)


def _word(word: str) -> str:
    """A word of a command line; a path may be all of it, or follow ``key=`` or ``folder:``."""
    found = re.match(r"(?:[\w.-]+[=:])*(?=(?:[A-Za-z]:)?[/\\])", word)
    return word[: found.end()] + _shortened(word[found.end() :]) if found else word


def _shortened(path: str) -> str:
    parts = [part for part in re.split(r"[/\\]", path) if part]
    return f"{SHORTENED}/{parts[-1]}" if parts else path
