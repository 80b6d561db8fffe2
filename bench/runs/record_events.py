"""Reads a record's events and single steps; its many step lines are checked and not kept."""

import json
from pathlib import Path
from typing import Any

from bench.runs.record import Record, checked, damage_told
from bench.runs.record_lines import LineCheck


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
        Evaluations, checkpoints, end and sessions as :func:`bench.runs.record.read` gives them; no steps.

    Raises
    ------
    WorkError
        If the record is damaged, by the same rules as for :func:`bench.runs.record.read`.
    """

    def __init__(self, path: Path) -> None:
        self.record = Record()
        self._check, self._number = LineCheck(), 0
        with damage_told(path):
            content = path.read_bytes() if path.exists() else b""
            # a torn last line is passed over; the line break in front makes every line's start findable
            self._lines = b"\n" + content[: content.rfind(b"\n") + 1]
            place = 1
            while place < len(self._lines):
                event = self._lines.find(b'\n{"event"', place - 1) + 1 or len(self._lines)
                self._take_steps(self._lines[place:event])
                place = self._lines.find(b"\n", event) + 1 or len(self._lines)
                self._take_lines(self._lines[event:place])

    def _take_steps(self, lines: bytes) -> None:
        if self._check.take_steps(lines):
            self._number += lines.count(b"\n")
            return
        # the names of the scalars are known from the first line
        first, rest = lines[: (stop := lines.index(b"\n") + 1)], lines[stop:]
        self._take_lines(first)
        if self._check.take_steps(rest):
            self._number += rest.count(b"\n")
        else:
            self._take_lines(rest)

    def _take_lines(self, lines: bytes) -> None:
        for line in lines.split(b"\n")[:-1]:
            self._number += 1
            self.record.take(checked(self._check, line, self._number))
        self.record.steps.clear()

    def step(self, step: int) -> dict[str, Any]:
        """The scalars of a step, or {} if the record has no such step.

        Of a step that was taken again after a resume the last line counts, so this holds for the
        steps of evaluations and checkpoints that were not taken back.
        """
        place = self._lines.rfind(b'\n{"step": %d,' % step)
        if place < 0:
            return {}
        row: dict[str, Any] = json.loads(self._lines[place + 1 : self._lines.index(b"\n", place + 1)])
        return row
