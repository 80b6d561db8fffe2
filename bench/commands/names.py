"""Types of words that name something: what may be typed is completed by the shell and suggested in messages.

A word that names nothing is refused by the command, not here: its message lists what there is.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem

# everything here is read while a shell waits for a word, so no module may import torch
import studies
import variants
from bench.system import paths
from variants.presets import MEANT_FOR
from variants.stated_names import stated_names


class Names(click.ParamType):
    """A word, or several separated by commas, among known names.

    Parameters
    ----------
    known : callable
        Returns the names, each with a line that says what it is, or an empty text.
    several : bool
        Whether names may be separated by commas.
    """

    name = "text"

    def __init__(self, known: Callable[[], Mapping[str, str]], several: bool = False) -> None:
        self.known = known
        self.several = several

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with a word, or with what follows its last comma."""
        before, comma, begun = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        return [
            CompletionItem(before + comma + name, help=text or None)
            for name, text in self.known().items()
            if name.startswith(begun) and name not in before.split(",")
        ]


def variants_known() -> dict[str, str]:
    """Return the variants with their titles."""
    return stated_names(Path(variants.__path__[0]), "began_bench.variants")


def datasets() -> dict[str, str]:
    """Return the data sets; a folder's begins with ``folder:``."""
    found = stated_names(Path(__file__).parents[1] / "datasets", "began_bench.datasets")
    return {name.removesuffix("PATH"): text for name, text in found.items()}


def runs() -> dict[str, str]:
    """Return the names of all runs with hyphens for spaces, the newest last, and ``last``."""
    found = []
    for file in paths.runs().glob("*/run.json"):
        # a damaged run is named by commands, not by the shell
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(file.read_bytes())
            # a space would end the word
            found.append((str(content["created"]), str(content["name"]).replace(" ", "-")))
    return {name: created for created, name in sorted(found)} | {"last": "the newest run"}


def studies_begun() -> dict[str, str]:
    """Return the names of the studies with a folder below ``mlruns/studies``."""
    return {file.parent.name: "" for file in sorted((paths.results() / "studies").glob("*/study.json"))}


Variant = Names(variants_known)
SeveralVariants = Names(variants_known, several=True)
Preset = Names(lambda: {str(name): meaning for name, meaning in MEANT_FOR.items()})
Dataset = Names(datasets)
SeveralDatasets = Names(datasets, several=True)
Run = Names(runs)
StudyFile = Names(lambda: dict.fromkeys(studies.shipped(), "a study of the project"))
Study = Names(studies_begun)
