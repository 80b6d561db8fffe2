"""Training callbacks of a recorded run: pictures of samples, and alarms."""

from torch import Tensor

from bench.datasets import KnownModes
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup
from bench.figures.pictures import save_samples
from bench.health.alarms import AlarmMonitor
from bench.health.signs import text_of_signs
from bench.runs import record
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError
from bench.training.trainer import Callback, Interrupted, Trainer


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


class Collapsed(WorkError):
    """A collapse ended the run, by the knob `stop_on`."""

    def __init__(self, step: int, message: str) -> None:
        super().__init__(message)
        self.step = step


class StopOnCollapse(Callback):
    """Callback that ends a run at the first evaluation that its rule names.

    Parameters
    ----------
    setup : TrainingSetup
        Rule, rules of health and scores of real samples.
    name : str
        Name of the run.

    Attributes
    ----------
    found : Evaluation or None
        The evaluation that ends the run.
    """

    def __init__(self, setup: TrainingSetup, name: str) -> None:
        self.setup, self.name = setup, name
        self.found: record.Evaluation | None = None

    def on_evaluation(self, evaluation: record.Evaluation, grid: Tensor) -> None:
        """Keep the evaluation if it ends the run."""
        self.look_at(evaluation)

    def look_at(self, evaluation: record.Evaluation) -> None:
        """Keep the evaluation if it ends the run; one of a resumed run's record may."""
        setup = self.setup
        if self.found is None and setup.stop_rule.ends(
            evaluation.step, evaluation.values, setup.real, setup.health_rules
        ):
            self.found = evaluation

    def should_stop(self) -> bool:
        """Whether an evaluation ends the run."""
        return self.found is not None

    def train(self, trainer: Trainer) -> None:
        """Train to the end; raise Collapsed if an evaluation ends the run before."""
        try:
            if self.found is None:
                trainer.train()
        except Interrupted:
            if self.found is None:
                raise
        if self.found is not None:
            step, values, real = self.found.step, self.found.values, self.setup.real
            shown = text_of_signs(values, real, self.setup.health_rules)
            raise Collapsed(
                step,
                f"run {self.name} collapsed, and stop_on: collapse ended it at step {step:,} of "
                f"{self.setup.stop_rule.steps:,}: {shown}",
            )


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
