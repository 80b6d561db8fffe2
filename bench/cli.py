"""The command line: ``bench COMMAND``.

Neither this module nor the head of a command's module imports a heavy package, so that help is immediate.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence

import click

from bench.runs import damaged_runs
from bench.system import os_errors
from bench.system.errors import RequestError, WorkError, one_line, shown, unknown
from bench.system.paths import require_user_home
from bench.system.ranks import is_first, launched
from bench.system.store_address import redacted
from bench.system.version import __version__

COMMANDS = (
    "run",
    "study",
    "eval",
    "judge",
    "verify",
    "variants",
    "check-variant",
    "datasets",
    "doctor",
    "track",
    "ui",
    "plot",
    "sample",
    "interpolate",
    "export",
    "table",
    "report",
    "runs",
    "studies",
)
# what users call commands and options that have other names here
MEANT = {
    "delete": "runs --delete RUN",
    "remove": "runs --delete RUN",
    "rm": "runs --delete RUN",
    "list": "runs",
    "ls": "runs",
    "resume": "run --resume RUN",
    "continue": "run --resume RUN",
    "extend": "run --resume RUN --steps N",
    "train": "run",
    "compare": "table",
    "figures": "plot",
    "draw": "plot",
    "generate": "sample",
    "search": "study",
    "tune": "study",
}


class Commands(click.Group):
    """Group of commands; a command's module is imported when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; RequestError if there is no command of that name, but None to a shell."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            if meant := MEANT.get(cmd_name):
                raise RequestError(f"unknown command {shown(cmd_name)}: did you mean `bench {meant}`?")
            raise unknown("command", cmd_name, COMMANDS)
        if cmd_name != "run" and launched():
            raise RequestError(f"torchrun starts `bench run` only, not `bench {cmd_name}`")
        require_user_home()
        command: click.Command = importlib.import_module(
            f"bench.commands.{cmd_name.replace('-', '_')}"
        ).command
        return command


@click.command(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="bench")
def cli() -> None:
    """Train, judge and compare boundary-equilibrium GANs.

    Results lie under mlruns/ in the folder that BENCH_HOME names, else in the project's root, else
    in the current folder. `bench doctor` says where, and what this machine has.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Returns
    -------
    int
        0 done, 1 the work failed, 2 the request was wrong, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    damaged_runs.reset()
    if not sys.stderr.isatty():
        # bars of libraries, such as that of a download, would overwrite themselves in a log
        os.environ.setdefault("TQDM_DISABLE", "1")
    if "_BENCH_COMPLETE" in os.environ:
        importlib.import_module("bench.commands.bash_completion")
    try:
        check_words(words)
        status = cli.main(args=words, prog_name="bench", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        from bench.commands.misspelling import explained

        return _fail(words, one_line(explained(error, words), 280), 2)
    except click.ClickException as error:
        # click's messages hold a value in full length
        return _fail(words, one_line(error.format_message(), 280), 2)
    except RequestError as error:
        return _fail(words, str(error), 2)
    except WorkError as error:
        return _fail(words, str(error), 1)
    except (KeyboardInterrupt, click.Abort):
        return _fail(words, "interrupted", 130)
    except Exception as error:
        # a full disk or lack of memory is no fault of the program; every other error keeps its traceback
        message = os_errors.message_of(error)
        if message is None:
            # messages of libraries may hold the password of a store
            click.echo(redacted(traceback.format_exc()), err=True, nl=False)
            return 1
        return _fail(words, message, 1)


def check_words(words: Sequence[str]) -> None:
    """Refuse arguments with a NUL character, which no file or run has in its name."""
    for word in words:
        if "\0" in word:
            raise RequestError(f"{shown(word)} holds a NUL character")


def _fail(words: list[str], message: str, status: int) -> int:
    line = one_line(redacted(message))
    # every rank refuses a wrong request; rank 0 alone reports it
    if status != 1 and not is_first():
        return status
    click.echo(f"bench: {line}" if is_first() else f"bench: rank {os.environ['RANK']}: {line}", err=True)
    if "--json" in words and is_first():
        click.echo(json.dumps({"error": line, "status": status}))
    return status
