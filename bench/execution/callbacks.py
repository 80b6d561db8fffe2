"""Training callbacks of a recorded run: pictures of samples, and alarms."""

from torch import Tensor

from bench.datasets import KnownModes
from bench.execution.progress import Progress
from bench.figures.pictures import save_samples
from bench.health.alarms import AlarmMonitor
from bench.runs import record
from bench.runs.run_folder import RunFolder
from bench.training.trainer import Callback


class Grids(Callback):
    """Callback that saves a picture of samples at each evaluation: a grid of images, or points.

    Parameters
    ----------
    run : RunFolder
        Folder of the run.
    modes : KnownModes, optional
        Modes of the data, whose centres are marked among points.
    """

    def __init__(self, run: RunFolder, modes: KnownModes | None = None) -> None:
        self.run, self.modes = run, modes

    def on_evaluation(self, evaluation: record.Evaluation, grid: Tensor) -> None:
        """Save the picture."""
        save_samples(grid, self.run.samples / f"step-{evaluation.step:08d}.png", self.modes)


class Alarms(Callback):
    """Callback that writes alarms to the record, after the steps that raised them, and warns once of each.

    Parameters
    ----------
    watch : AlarmMonitor
        Monitor that was updated with all earlier steps.
    writer : RecordWriter
        Writer of the record.
    progress : Progress
        Prints the warnings.
    """

    def __init__(self, watch: AlarmMonitor, writer: record.RecordWriter, progress: Progress) -> None:
        self.watch, self.writer, self.progress = watch, writer, progress

    def on_steps(self, rows: list[record.StepRow]) -> None:
        """Update the monitor with the steps and report its alarms."""
        for row in rows:
            for alarm in self.watch.update(row):
                self.writer.write([alarm])
                self.progress.warning(f"step {alarm.step:,}: {alarm.message}")
