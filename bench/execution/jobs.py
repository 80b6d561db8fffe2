"""A run of many, trained by a process of its own."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.configuration import Configuration
from bench.runs import run_folder
from bench.runs.run_folder import RunFolder


@dataclass
class Job:
    """A run that is to be trained, or is being trained.

    Attributes
    ----------
    configuration : Configuration
        What is trained.
    cut_off : RunFolder or None
        Its run that was begun before and is not complete.
    log : Path
        Takes what its process says.
    process : subprocess.Popen or None
        Once started.
    """

    configuration: Configuration
    cut_off: RunFolder | None
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def label(self) -> str:
        """Variant and seed."""
        return f"{self.configuration.variant.name} seed {self.configuration.harness.seed}"

    def can_start(self) -> bool:
        """Whether no other process trains it, such as one left by a multirun that was killed."""
        return self.cut_off is None or not run_folder.is_held(self.cut_off)

    def start(self, words: Sequence[str], parent: str | None) -> None:
        """Start its process: the same command line that a person would type.

        Parameters
        ----------
        words : sequence of str
            The configuration of a new run; of one that goes on the circumstances that may change.
        parent : str or None
            The MLflow run above a new run.
        """
        if self.cut_off:
            command = ["--resume", self.cut_off.id, *words]
        else:
            harness = self.configuration.harness
            command = ["--variant", self.configuration.variant.name, "--seed", str(harness.seed), *words]
            command += ["--parent", parent] if parent else []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench", "run", "--json", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                # a Ctrl-C reaches it through us, once
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Whether its process has ended."""
        return self.process is not None and self.process.poll() is not None

    def problem(self) -> str | None:
        """What went wrong, or None."""
        if self.process is None or self.process.returncode == 0:
            return None
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("bench: ") if lines else f"its exit status is {self.process.returncode}"

    def stop(self) -> None:
        """Ask its process to write a checkpoint and end."""
        if self.process:
            self.process.terminate()
