"""What a person sees of a run while it lasts, on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from tqdm import tqdm

from bench.system.store_address import redacted
from bench.training.trainer import Observer, Trainer


class Progress(Observer):
    """A progress bar with step, M, k, samples a second and time left.

    Parameters
    ----------
    quiet : bool
        Say nothing but warnings.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: tqdm[Any] | None = None
        self._samples_per_step = 0
        self._mark = (0.0, 0)

    def say(self, text: str) -> None:
        """One line on standard error."""
        if not self.quiet or text.startswith("warning"):
            tqdm.write(redacted(text), file=sys.stderr)

    def warning(self, words: str) -> None:
        """Say it, also where all else is quiet."""
        self.say(f"warning: {words}")

    @contextmanager
    def bar(self, trainer: Trainer) -> Iterator[None]:
        """Show how far a trainer is while the block runs."""
        self._samples_per_step = trainer.reals_per_step * trainer.batches.batch_size
        self._mark = (time.perf_counter(), trainer.step)
        with tqdm(
            total=trainer.plan.steps,
            initial=trainer.step,
            disable=self.quiet,
            file=sys.stderr,
            unit="step",
            bar_format="{desc} {n_fmt}/{total_fmt} |{bar:20}| {elapsed}<{remaining}{postfix}",
            desc="training",
            # a log file gets a line now and then, a terminal a moving bar
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
        ) as self._bar:
            yield
        self._bar = None

    def scalars(self, rows: list[dict[str, Any]]) -> None:
        """Move the bar."""
        if not rows or self._bar is None:
            return
        now, (before, step) = time.perf_counter(), self._mark
        rate = (rows[-1]["step"] - step) * self._samples_per_step / max(now - before, 1e-9)
        self._mark = (now, rows[-1]["step"])
        shown = [f"{name} {rows[-1][name]:.4g}" for name in ("M", "k", "loss_d") if name in rows[-1]][:2]
        self._bar.set_postfix_str(", ".join([*shown, f"{rate:.0f} samples/s"]), refresh=False)
        self._bar.update(rows[-1]["step"] - self._bar.n)

    def evaluation(self, row: dict[str, Any], grid: Tensor) -> None:
        """Say what was measured."""
        values = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "step")
        self.say(f"step {row['step']}: {values}")
        self._mark = (time.perf_counter(), row["step"])
