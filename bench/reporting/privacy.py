"""Removal of absolute paths: a page that is passed on names no folder of the machine that made it."""

import re
import shlex
from collections.abc import Sequence

from bench.system import paths

SHORTENED = "\N{HORIZONTAL ELLIPSIS}"
# at least two components: a single "/x" is hardly a path
_ABSOLUTE = re.compile(r"""(?<![^\s=:'"(,\[])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'",;()\[\]]+){2,}[/\\]?""")


def without_paths(text: str) -> str:
    """Shorten every absolute path in a text to its last component."""
    # these paths may have spaces, at which the pattern ends
    for known in {str(folder) for folder in (paths.home(), paths.cache(), paths.user_home()) if folder}:
        if known.count("/") > 1 or "\\" in known:
            text = text.replace(known + "/", f"{SHORTENED}/").replace(known, SHORTENED)
    return _ABSOLUTE.sub(lambda found: _shortened(found[0]), text)


def command_line(arguments: Sequence[str]) -> str:
    """Return a shell command of ``bench``, with absolute paths shortened to their last component."""
    return shlex.join(["bench", *map(_argument, arguments)]).replace(f"'{SHORTENED}'", SHORTENED)


def _argument(argument: str) -> str:
    """Shorten the path in an argument, which may be all of it, or follow ``key=`` or ``folder:``."""
    found = re.match(r"(?:[\w.-]+[=:])*(?=(?:[A-Za-z]:)?[/\\])", argument)
    return argument[: found.end()] + _shortened(argument[found.end() :]) if found else argument


def _shortened(path: str) -> str:
    parts = [part for part in re.split(r"[/\\]", path) if part]
    return f"{SHORTENED}/{parts[-1]}" if parts else path
