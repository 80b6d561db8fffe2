"""Length and schedule of training."""

from dataclasses import dataclass

from bench.training.learning_rate import LearningRateRule


@dataclass(frozen=True)
class Plan:
    """Length and schedule of training; all intervals are in steps.

    Attributes
    ----------
    steps : int
        Generator updates.
    seed : int
        Seed of all draws except the initial weights.
    rule : LearningRateRule
        Schedule of the learning rates.
    ema_decay : float
        Decay of the generator's moving average; 0 for no average.
    eval_every : int
        Interval of evaluations; 0 evaluates at the end only.
    checkpoint_every : int
        Interval of checkpoints, at least 1.
    grid_images, grid_points : int
        Numbers of images or points in a picture of samples.
    """

    steps: int
    seed: int
    rule: LearningRateRule
    ema_decay: float = 0.0
    eval_every: int = 0
    checkpoint_every: int = 1000
    grid_images: int = 100
    grid_points: int = 2000

    def evaluates(self, step: int) -> bool:
        """Return whether an evaluation follows a step."""
        return step == self.steps or (self.eval_every > 0 and step % self.eval_every == 0)

    def saves(self, step: int) -> bool:
        """Return whether a checkpoint follows a step; every evaluated step has one, so the best is kept."""
        return self.evaluates(step) or step % self.checkpoint_every == 0
