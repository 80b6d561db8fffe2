"""Progress of a run on standard error: a bar or lines, messages and warnings."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from tqdm import tqdm

from bench.comparing.numbers import duration
from bench.health.signs import COVERED
from bench.judging.metrics.density_coverage import COVERAGE
from bench.runs.record import Evaluation, StepRow
from bench.system.store_address import redacted
from bench.training.trainer import Callback, Trainer

LINE_SECONDS = 15.0  # between lines of a log
TITLE = "training"  # of the bar
WIDTH = 110  # longest line of an evaluation


class Progress(Callback):
    """Step, scalars of the variant, samples a second and time left: a bar on a terminal, lines in a log.

    Parameters
    ----------
    quiet : bool
        Print nothing but warnings.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: tqdm[Any] | None = None
        self._samples_per_step = 0.0
        self._shown: list[str] = []
        self._mark = (0.0, 0)
        self._began = self._line_at = 0.0
        self._steps = self._first = 0
        self._distance = ""
        self._judged = 0

    def info(self, message: str) -> None:
        """Print one line to standard error, unless quiet."""
        if not self.quiet:
            _print(message)

    def warning(self, message: str) -> None:
        """Print one line to standard error, even if quiet."""
        _print(f"warning: {message}")

    def on_warning(self, message: str) -> None:
        """Print the warning."""
        self.warning(message)

    @contextmanager
    def bar(self, trainer: Trainer, judged: int) -> Iterator[None]:
        """Show the progress of a trainer while the block runs: a bar on a terminal, else lines.

        Parameters
        ----------
        trainer : Trainer
            What is trained.
        judged : int
            Samples of an evaluation.
        """
        self._distance, self._judged = trainer.lower_is_better, judged
        reals = trainer.variant.real_batches(trainer.plan.steps) / trainer.plan.steps
        self._samples_per_step = reals * trainer.batches.batch_size
        self._shown = [scalar.name for scalar in trainer.variant.scalars if scalar.in_progress]
        self._steps, self._first = trainer.plan.steps, trainer.step
        now = time.perf_counter()
        self._began = self._line_at = now
        self._mark = (now, trainer.step)
        with tqdm(
            total=trainer.plan.steps,
            initial=trainer.step,
            # a log has no use for a bar, which overwrites itself
            disable=self.quiet or not sys.stderr.isatty(),
            file=sys.stderr,
            unit="step",
            bar_format="{desc} {n_fmt}/{total_fmt} |{bar:20}| {elapsed}<{remaining}{postfix}",
            desc=TITLE,
            mininterval=0.5,
        ) as self._bar:
            yield
        self._bar = None

    def on_steps(self, rows: list[StepRow]) -> None:
        """Advance the bar, or print a line now and then."""
        if not rows or self._bar is None or self.quiet:
            return
        now, (before, step), last = time.perf_counter(), self._mark, int(rows[-1]["step"])
        rate = (last - step) * self._samples_per_step / max(now - before, 1e-9)
        self._mark = (now, last)
        shown = [f"{name} {rows[-1][name]:.4g}" for name in self._shown if name in rows[-1]]
        facts = ", ".join([*shown, f"{rate:.0f} samples/s"])
        if not self._bar.disable:
            self._bar.set_postfix_str(facts, refresh=False)
            self._bar.update(last - self._bar.n)
        elif now - self._line_at >= LINE_SECONDS:
            self._line_at = now
            left = (self._steps - last) * (now - self._began) / max(last - self._first, 1)
            self.info(f"step {last:,} of {self._steps:,}: {facts}, about {duration(left)} of training left")

    def on_judging(self, step: int) -> None:
        """Show that samples are judged: as the bar's title, or in a line."""
        if self._bar is None or self.quiet or not self._distance:
            return
        words = f"judging {self._judged:,} samples"
        if self._bar.disable:
            self.info(f"step {step:,}: {words}")
        else:
            self._bar.set_description_str(words)

    def on_evaluation(self, evaluation: Evaluation, grid: Tensor) -> None:
        """Print the distance, the classes or modes covered, coverage, and others that fit into the line.

        Of a run without a judge the line says that samples were drawn.
        """
        if self._bar is not None and not self._bar.disable:
            self._bar.set_description_str(TITLE, refresh=False)
        self.info(_evaluation_text(evaluation, self._distance))
        self._mark = (time.perf_counter(), evaluation.step)


def _evaluation_text(evaluation: Evaluation, distance: str) -> str:
    values = evaluation.values
    first = [name for name in (distance, *COVERED, COVERAGE) if name in values]
    line = f"step {evaluation.step:,}:"
    if not values:
        return f"{line} samples drawn, not judged"
    for name in dict.fromkeys([*first, *values]):
        part = f" {name} {values[name]:.4g},"
        # the comma of the last one is cut
        if name in first or len(line + part) <= WIDTH + 1:
            line += part
    return line.removesuffix(",")


def _print(line: str) -> None:
    tqdm.write(redacted(line), file=sys.stderr)
