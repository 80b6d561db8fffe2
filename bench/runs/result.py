"""What a run that is over or was just trained gives back."""

from dataclasses import dataclass

from bench.runs.description import RunDescription
from bench.runs.record import Record
from bench.runs.run_folder import RunFolder


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    Attributes
    ----------
    run : RunFolder
        Folder of the run.
    description : RunDescription
        Content of run.json.
    record : Record
        Content of the record.
    """

    run: RunFolder
    description: RunDescription
    record: Record

    @property
    def end_text(self) -> str:
        """How the run ended, as text: ``run NAME is complete``, or its health where it ended early."""
        end = self.record.end
        assert end is not None
        if end.status == "FINISHED":
            return f"run {self.description.name} is complete"
        return f"run {self.description.name} ended at step {end.step:,} ({end.health})"
