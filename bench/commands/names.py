"""Types of words that name something: what may be typed is completed by the shell and suggested in messages.

A word that names nothing is refused by the command, not here: its message lists what there is.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem

# everything here is read while a shell waits for a word, so no module may import torch
import studies
import variants
from bench.runs.run_names import with_hyphens
from bench.system import paths
from variants.presets import MEANT_FOR
from variants.stated_knobs import StatedKnob, stated_knobs
from variants.stated_names import stated_names


class Names(click.ParamType):
    """A word, or several separated by commas, among known names.

    Parameters
    ----------
    known : callable
        Returns the names, each with a line that says what it is, or an empty text.
    several : bool
        Whether names may be separated by commas.
    further : callable, optional
        Returns other words that are understood, as `known` does: offered for a begun word that is the
        beginning of no name.
    files : bool
        Whether the word may also be the path of a file, which the shell then completes.
    """

    name = "text"

    def __init__(
        self,
        known: Callable[[], Mapping[str, str]],
        several: bool = False,
        further: Callable[[], Mapping[str, str]] | None = None,
        files: bool = False,
    ) -> None:
        self.known = known
        self.several = several
        self.further = further
        self.files = files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with a word, or with what follows its last comma."""
        before, comma, begun = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        found = [
            CompletionItem(before + comma + name, help=text or None)
            for name, text in self.known().items()
            if name.startswith(begun) and name not in before.split(",")
        ]
        if found or not begun:
            return found
        if self.further:
            others = self.further().items()
            found = [
                CompletionItem(word, help=text or None) for word, text in others if word.startswith(begun)
            ]
        # bash offers files or words, not both
        return found or [CompletionItem(incomplete, type="file")] * self.files


class Settings(click.ParamType):
    """A word ``KEY=VALUE``: keys are the knobs of the harness and of this project's variants."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the keys that begin with a word, or the choices of the key before its ``=``."""
        key, equals, begun = incomplete.partition("=")
        known = knobs_known()
        if not equals:
            return [
                CompletionItem(f"{name}=", help=knob.description or None)
                for name, knob in known.items()
                if name.startswith(key)
            ]
        choices = known[key].choices if key in known else ()
        return [CompletionItem(f"{key}={choice}") for choice in choices if choice.startswith(begun)]


def knobs_known() -> dict[str, StatedKnob]:
    """Return the knobs of the harness and of this project's variants, with meaning and choices."""
    schema = Path(__file__).parents[1] / "configuration" / "schema.py"
    return stated_knobs([schema, *sorted(Path(variants.__path__[0]).rglob("*.py"))])


def variants_known() -> dict[str, str]:
    """Return the variants with their titles."""
    return stated_names(Path(variants.__path__[0]), "began_bench.variants")


def datasets() -> dict[str, str]:
    """Return the data sets; a folder's begins with ``folder:``."""
    found = stated_names(Path(__file__).parents[1] / "datasets", "began_bench.datasets")
    return {name.removesuffix("PATH"): text for name, text in found.items()}


def runs() -> dict[str, str]:
    """Return the names of all runs with hyphens for spaces, the newest last, and ``last``."""
    # a space would end the word
    found = sorted((created, with_hyphens(name)) for _, name, created in _described())
    return {name: created for created, name in found} | {"last": "the newest run"}


def run_ids() -> dict[str, str]:
    """Return the ids of all runs, each with the run's name."""
    return {run_id: name for run_id, name, _ in sorted(_described())}


def _described() -> Iterator[tuple[str, str, str]]:
    """Yield id, name and time of creation of each run."""
    for file in paths.runs().glob("*/run.json"):
        # a damaged run is named by commands, not by the shell
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(file.read_bytes())
            yield file.parent.name, str(content["name"]), str(content["created"])


def studies_begun() -> dict[str, str]:
    """Return the names of the studies with a folder below ``mlruns/studies``."""
    return {file.parent.name: "" for file in sorted(paths.studies().glob("*/study.json"))}


Variant = Names(variants_known)
SeveralVariants = Names(variants_known, several=True)
Preset = Names(lambda: {str(name): meaning for name, meaning in MEANT_FOR.items()})
Dataset = Names(datasets)
SeveralDatasets = Names(datasets, several=True)
Run = Names(runs, further=run_ids)
StudyFile = Names(lambda: dict.fromkeys(studies.shipped(), "a study of the project"), files=True)
Study = Names(studies_begun)
