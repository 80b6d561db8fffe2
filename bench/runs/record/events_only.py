"""Reads a record's events and single steps; its many step lines are checked and not kept."""

from collections.abc import Iterator
from pathlib import Path

from bench.runs.record.events import StepRow, parse
from bench.runs.record.order import OrderCheck
from bench.runs.record.reading import Record, checked, damage_reported


class RecordEvents:
    """A record without its steps, of which single ones can be looked up.

    Parsing a long run's step lines takes several times as long as checking them.

    Parameters
    ----------
    path : Path
        The record file; one that does not exist is an empty record.

    Attributes
    ----------
    record : Record
        Events as :func:`bench.runs.record.read` gives them; no steps.

    Raises
    ------
    WorkError
        If the record is damaged, by the same rules as for :func:`bench.runs.record.read`.
    """

    def __init__(self, path: Path) -> None:
        self.record = Record()
        self._order, self._number = OrderCheck(), 0
        with damage_reported(path):
            content = path.read_bytes() if path.exists() else b""
            # a torn last line is ignored; the line break in front makes every line's start findable
            self._lines = b"\n" + content[: content.rfind(b"\n") + 1]
            place = 1
            while place < len(self._lines):
                event = self._lines.find(b'\n{"event"', place - 1) + 1 or len(self._lines)
                self._check_steps(self._lines[place:event])
                place = self._lines.find(b"\n", event) + 1 or len(self._lines)
                self._read_lines(self._lines[event:place])

    def _check_steps(self, lines: bytes) -> None:
        if self._order.check_steps(lines):
            self._number += lines.count(b"\n")
        else:
            self._read_lines(lines)

    def _read_lines(self, lines: bytes) -> None:
        for line in lines.split(b"\n")[:-1]:
            self._number += 1
            self.record.add(checked(self._order, line, self._number))
        self.record.steps.clear()

    @property
    def last_step(self) -> int:
        """The last recorded step; 0 where there is none."""
        return self._order.step

    def step(self, step: int) -> StepRow:
        """Return the scalars of a step, or {} if the record has no such step."""
        return next(self.back_from(step), {})

    def back_from(self, step: int) -> Iterator[StepRow]:
        """Yield the scalars of a step, then of the step before it, and so on to the first.

        Of a step that was trained again after a resume the last line counts, so this holds for the steps of
        evaluations and checkpoints that no session discarded.
        """
        place = self._lines.rfind(b'\n{"step": %d,' % step)
        while place >= 0 and step:
            start, end = place + 1, self._lines.index(b"\n", place + 1)
            # other lines are events, and steps that a resume discarded
            if self._lines.startswith(b'{"step": %d,' % step, start):
                row = parse(self._lines[start:end])
                assert isinstance(row, dict)
                yield row
                step -= 1
            place = self._lines.rfind(b"\n", 0, place)
