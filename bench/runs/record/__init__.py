"""The record of a run: an append-only file of JSON lines, and the truth about the run.

A line is a training step (``{"step": 1, "lr_g": ...}``) or an event (``{"event": ..., "step": ...}``, one
of :data:`bench.runs.record.events.EVENTS`). Each session, the first and those after a resume, begins with a
session event at the last step before it, which discards all earlier lines of later steps. A reader of the
record sees each step once. An extension of the run is an event before the session that goes on; the old end
stays readable (:class:`bench.runs.record.reading.Extension`). Every reader parses lines with
:func:`bench.runs.record.events.parse` and checks their order with
:class:`bench.runs.record.order.OrderCheck`: a damaged record is refused.
"""

from bench.runs.record.events import (
    Alarm,
    CheckpointEvent,
    End,
    Evaluation,
    Event,
    Extended,
    Session,
    StepRow,
    alarm_tag,
)
from bench.runs.record.events_only import RecordEvents
from bench.runs.record.reading import FILE, BestCheckpoint, Extension, Record, Tail, best_checkpoints, read
from bench.runs.record.writing import Mark, NoWriter, PlainMark, RecordWriter, cut_torn_line, mark_matches

__all__ = [
    "FILE",
    "Alarm",
    "BestCheckpoint",
    "CheckpointEvent",
    "End",
    "Evaluation",
    "Event",
    "Extended",
    "Extension",
    "Mark",
    "NoWriter",
    "PlainMark",
    "Record",
    "RecordEvents",
    "RecordWriter",
    "Session",
    "StepRow",
    "Tail",
    "alarm_tag",
    "best_checkpoints",
    "cut_torn_line",
    "mark_matches",
    "read",
]
