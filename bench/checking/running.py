"""Runs the checks on a variant."""

import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from bench.checking import contract, parts, training
from bench.checking.report import CheckFailed, CheckReport, CheckResult, NotApplicable, statement_of
from bench.checking.subject import Subject, build, samples_text, shapes_of, small_hyperparameters
from bench.system.errors import one_line
from variants.base import Variant, VariantHyperparameters

Check = Callable[[Subject], None]
CHECKS: tuple[Check, ...] = (*contract.CHECKS, *training.CHECKS, *parts.CHECKS)


def check(kind: type[Variant], settings: Mapping[str, object] | None = None) -> CheckReport:
    """Run every check on a variant, with small networks, for images and for points as far as it has them.

    Parameters
    ----------
    kind : type[Variant]
        Class of the variant; it need not be registered.
    settings : mapping, optional
        Hyperparameters that differ from the small ones of the checks, `image_size` and `channels`.

    Returns
    -------
    CheckReport
        The outcome of each check. A variant that can be built for no samples fails the check ``build``.

    Raises
    ------
    RequestError
        If a setting is unknown or not possible.
    """
    settings = settings or {}
    choices = small_hyperparameters(kind, settings)
    results: list[CheckResult] = []
    notes: list[str] = []
    problem = ""
    for shapes in shapes_of(kind, settings):
        found = _first_possible(kind, choices, shapes)
        if isinstance(found, str):
            notes.append(f"no {samples_text(shapes[0]).split()[0]}: {found}")
            problem = problem or found
            continue
        hyperparameters, shape = found
        with tempfile.TemporaryDirectory() as folder:
            subject = Subject(kind, hyperparameters, shape, Path(folder))
            results += [_result(each, subject) for each in CHECKS]
    if not results:
        results = [CheckResult("images, points", "build", "The networks can be built", "FAIL", problem)]
    return CheckReport(kind.name, results, notes)


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
