"""Reads a record's events and single steps, passing over its many step lines unread."""

import json
from pathlib import Path
from typing import Any

from bench.errors import WorkError
from bench.record import Record


class RecordEvents:
    """A record without its steps, of which single ones can be looked up.

    Parsing a long run's step lines takes hundreds of times as long as finding its events.

    Parameters
    ----------
    path : Path
        The record file; one that does not exist is an empty record.

    Attributes
    ----------
    record : Record
        Evaluations, checkpoints, end and sessions as :func:`bench.record.read` gives them; no steps.

    Raises
    ------
    WorkError
        If an event is broken.
    """

    def __init__(self, path: Path) -> None:
        content = path.read_bytes() if path.exists() else b""
        # a torn last line is passed over; the line break in front makes every line's start findable
        self._lines = b"\n" + content[: content.rfind(b"\n") + 1]
        self.record = Record()
        place = self._lines.find(b'\n{"event"')
        while place >= 0:
            stop = self._lines.index(b"\n", place + 1)
            try:
                self.record.take(json.loads(self._lines[place + 1 : stop]))
            except (ValueError, KeyError) as error:
                raise WorkError(f"{path}: an event is broken: {error}") from None
            place = self._lines.find(b'\n{"event"', stop)

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
