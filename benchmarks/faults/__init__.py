"""Faults caused on purpose, a module per kind: ``drill(request)`` yields one tally per fault."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """Settings of a drill.

    Attributes
    ----------
    folder : Path
        Empty folder for all files of the drill.
    cache : Path
        Cache folder of the harness, shared by all drills.
    times : float
        Factor on the number of trials; 1 for the published table.
    seed : int
        Seed of random moments and random damage.
    """

    folder: Path
    cache: Path
    times: float = 1.0
    seed: int = 0

    def trials(self, usual: int) -> int:
        """Return how often to try a fault that is usually tried `usual` times; at least once."""
        return max(1, round(usual * self.times))


@dataclass
class Tally:
    """One fault: how often it was caused, and how often the program behaved as required.

    Attributes
    ----------
    fault : str
        The fault, for the table's first column.
    expected : str
        Required behaviour, for the table's last column.
    tried : int
        Number of trials.
    problems : list of str
        One line per trial that did not show the required behaviour.
    skipped : str
        Reason why the fault cannot be caused on this machine, or an empty string.
    """

    fault: str
    expected: str
    tried: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""

    def add(self, problem: str | None) -> None:
        """Count one trial; `problem` is None if the program behaved as required."""
        self.tried += 1
        if problem:
            self.problems.append(problem)

    def passed(self) -> bool:
        """Return whether there was a trial and the program behaved as required in every trial."""
        return not self.problems and self.tried > 0

    def row(self) -> list[str]:
        """Return the cells of the table: fault, times tried, outcome."""
        if self.skipped:
            return [self.fault, "0", f"not tried: {self.skipped}"]
        passed = self.tried - len(self.problems)
        return [self.fault, str(self.tried), f"{passed} of {self.tried}: {self.expected}"]


def first_problem(problems: Iterable[str | None]) -> str | None:
    """Return the first problem of several checks, or None."""
    return next((problem for problem in problems if problem), None)
