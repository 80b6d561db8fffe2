"""Outcomes of checks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.runs import notebook_html
from bench.system.errors import WorkError


class CheckFailed(Exception):
    """The variant breaks the contract; the message is the reason, in one line."""


class NotApplicable(Exception):
    """The check has no meaning for the variant; the message is the reason, in one line."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes
    ----------
    samples : str
        Kind of the samples that the variant was built for, such as ``images 1x28x28``.
    name : str
        Name of the check.
    statement : str
        What must hold.
    outcome : {"pass", "FAIL", "skip"}
        ``skip`` where the check has no meaning.
    reason : str
        Why the check failed or has no meaning; empty if it passed.
    """

    samples: str
    name: str
    statement: str
    outcome: Literal["pass", "FAIL", "skip"]
    reason: str = ""


@dataclass(frozen=True)
class CheckReport:
    """The outcomes of all checks of a variant.

    Attributes
    ----------
    variant : str
        Name of the variant.
    results : list of CheckResult
        In the order of the checks, first for images and then for points.
    """

    variant: str
    results: list[CheckResult]

    def __repr__(self) -> str:
        return f"CheckReport({self.summary})"

    def _repr_html_(self) -> str:
        """All checks as a table, for notebooks."""
        rows = [
            (each.name, each.samples, each.outcome, each.reason or each.statement) for each in self.results
        ]
        return notebook_html.table(rows, ("check", "samples", "outcome", self.summary))

    @property
    def failures(self) -> list[CheckResult]:
        """The checks that failed."""
        return [result for result in self.results if result.outcome == "FAIL"]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def summary(self) -> str:
        """The number of checks, and of those that failed, in words."""
        count = sum(result.outcome != "skip" for result in self.results)
        if self.passed:
            return f"{self.variant}: {count} checks passed"
        return f"{self.variant}: {len(self.failures)} of {count} checks failed"

    def raise_failures(self) -> None:
        """Raise WorkError, whose message names every check that failed and why."""
        if not self.passed:
            reasons = "; ".join(f"{each.name} ({each.samples}): {each.reason}" for each in self.failures)
            raise WorkError(f"{self.summary}: {reasons}")


def statement_of(check: Callable[..., None]) -> str:
    """Return what a check states: the first line of its docstring, without the full stop."""
    return (check.__doc__ or "").strip().partition("\n")[0].rstrip(".")
