"""Runs the checks on a variant."""

import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from bench.checking import contract, parts, training
from bench.checking.report import CheckFailed, CheckReport, CheckResult, NotApplicable, statement_of
from bench.checking.subject import (
    Subject,
    build,
    kind_of_samples,
    samples_text,
    shapes_of,
    small_hyperparameters,
)
from bench.system.errors import one_line
from variants.base import Variant, VariantHyperparameters

Check = Callable[[Subject], None]
BUILD = ("build", "The networks can be built")  # name and statement of the check before all others
CHECKS: tuple[Check, ...] = (*contract.CHECKS, *training.CHECKS, *parts.CHECKS)


def check(kind: type[Variant], settings: Mapping[str, object] | None = None) -> CheckReport:
    """Run every check on a variant, with small networks, for each kind of samples that it declares.

    Parameters
    ----------
    kind : type[Variant]
        Class of the variant; it need not be registered.
    settings : mapping, optional
        Hyperparameters that differ from the small ones of the checks, `image_size` and `channels`.

    Returns
    -------
    CheckReport
        The outcome of each check. Where the networks cannot be built, ``build`` is the only check, and fails.

    Raises
    ------
    RequestError
        If a setting is unknown or not possible.
    """
    settings = settings or {}
    choices = small_hyperparameters(kind, settings)
    results: list[CheckResult] = []
    for shapes in shapes_of(kind, settings):
        found = _first_possible(kind, choices, shapes)
        if isinstance(found, str):
            results.append(CheckResult(kind_of_samples(shapes[0]), *BUILD, "FAIL", found))
            continue
        hyperparameters, shape = found
        results.append(CheckResult(samples_text(shape), *BUILD, "pass"))
        with tempfile.TemporaryDirectory() as folder:
            subject = Subject(kind, hyperparameters, shape, Path(folder))
            results += [_result(each, subject) for each in CHECKS]
    return CheckReport(kind.name, results)


def _first_possible(
    kind: type[Variant], choices: list[VariantHyperparameters], shapes: list[tuple[int, ...]]
) -> tuple[VariantHyperparameters, tuple[int, ...]] | str:
    """Return the first choice and shape that the variant can be built with, or the reason why there is none.

    The reason is that of the first shape with the default hyperparameters.
    """
    reason = ""
    for shape in shapes:
        for hyperparameters in choices:
            try:
                build(kind, hyperparameters, shape, 0)
                return hyperparameters, shape
            except ValueError as error:
                reason = reason or one_line(str(error))
            except Exception as error:
                reason = reason or _words(error)
    return reason


def _result(check: Check, subject: Subject) -> CheckResult:
    about = (subject.samples, check.__name__, statement_of(check))
    try:
        check(subject)
    except CheckFailed as failure:
        return CheckResult(*about, "FAIL", one_line(str(failure)))
    except NotApplicable as reason:
        return CheckResult(*about, "skip", one_line(str(reason)))
    except Exception as error:
        return CheckResult(*about, "FAIL", _words(error))
    return CheckResult(*about, "pass")


def _words(error: Exception) -> str:
    """Return an error in one line, with the place in the variant's code where it was raised."""
    harness, library = Path(__file__).parents[1], Path(torch.__file__).parent
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not {harness, library} & set(Path(frame.filename).parents):
            place = f" ({Path(frame.filename).name}, line {frame.lineno})"
    return one_line(f"{type(error).__name__}: {error}{place}", 400)
