"""How a two-player GAN scores samples, with the optional parts that its hyperparameters switch on.

Real and fake samples reach the discriminator the same way: augmented, then packed. Penalties of the
discriminator's gradient are taken where the discriminator sees samples. A part is applied if the
hyperparameters inherit its group of knobs (:mod:`variants.parts`) and a knob switches it on.
"""

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from variants.base import Batch, Scalars, Variant
from variants.modules.batch_normalisation import batch_norms
from variants.parts.batch_statistics import BatchDeviation, BatchStatistics
from variants.parts.feature_matching import FeatureMatching, feature_distance
from variants.parts.packing import pack
from variants.parts.penalties import (
    GradientPenalty,
    SamplePenalties,
    gradient_penalty,
    points_between,
    squared_gradients,
)
from variants.parts.seen import as_seen, packed, refuse_augmented_points
from variants.parts.spectral_norm import SpectralNorm, add_spectral_norm, iterate_spectral_norms
from variants.parts.weight_clipping import WeightClipping, clip_weights

Loss = Tensor | tuple[Tensor, Scalars]  # a 0-d loss, or the loss and further 0-d scalars to record


class Scored(NamedTuple):
    """Samples (B, ...) as the discriminator saw them, their companions (B, width) and their scores (B,)."""

    samples: Tensor
    companions: Tensor | None
    scores: Tensor


class Scoring(Variant):
    """Scores of samples for the losses of both players, and the parts that act on the discriminator.

    A subclass calls :meth:`scores` and :meth:`fake_scores` in its losses. Where D returns something else than
    scores, such as reconstructions, the subclass overrides :meth:`score`.
    """

    # what D saw in its own phase, for the penalties; None at all other times
    _scored: tuple[Scored, Scored] | None = None

    def scores(
        self,
        real: Tensor,
        fake: Tensor,
        batch: Batch,
        real_companions: Tensor | None = None,
        fake_companions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return d(x) and d(G(z)), (B,) each: for D's loss, and for a loss of G that needs real samples too.

        Parameters
        ----------
        real, fake : Tensor
            Samples (B, ...). Fake samples with a graph are those of the generator's phase: real samples then
            have no graph, unless their companions have one.
        batch : Batch
            With the noise of the augmentation.
        real_companions, fake_companions : Tensor or None
            What D sees with each sample, (B, width), such as its class or its latent.
        """
        in_phase_of_generator = torch.is_grad_enabled() and fake.requires_grad
        seen_real, real_companions = self.as_seen(real, batch, real_companions)
        seen_fake, fake_companions = self.as_seen(fake, batch, fake_companions)
        at_real, at_fake = (False, False) if in_phase_of_generator else self._penalised_samples()
        seen_real = seen_real.detach().requires_grad_() if at_real else seen_real
        seen_fake = seen_fake.detach().requires_grad_() if at_fake else seen_fake
        without_graph = in_phase_of_generator and not (
            real_companions is not None and real_companions.requires_grad
        )
        if self._separates_real_and_fake or without_graph or at_real != at_fake:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not without_graph):
                score_real = self.score(seen_real, real_companions)
            score_fake = self.score(seen_fake, fake_companions)
        else:
            companions = None
            if real_companions is not None and fake_companions is not None:
                companions = torch.cat((real_companions, fake_companions))
            score_real, score_fake = self.score(torch.cat((seen_real, seen_fake)), companions).chunk(2)
        if self._penalises and not in_phase_of_generator:
            self._scored = (
                Scored(seen_real, real_companions, score_real),
                Scored(seen_fake, fake_companions, score_fake),
            )
        return score_real, score_fake

    def fake_scores(self, fake: Tensor, batch: Batch, companions: Tensor | None = None) -> Tensor:
        """Return d(G(z)), (B,), of samples (B, ...) and their companions (B, width): for G's loss."""
        return self.score(*self.as_seen(fake, batch, companions))

    def score(self, samples: Tensor, companions: Tensor | None = None) -> Tensor:
        """Return D's score (B,) of each sample or pack (B, ...), with companions (B, width) if D sees any."""
        return self.discriminator(samples) if companions is None else self.discriminator(samples, companions)

    def as_seen(
        self, samples: Tensor, batch: Batch, companions: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return samples (B, C, ...), and their companions, as they reach D: augmented and packed."""
        seen = as_seen(samples, self.hyperparameters, batch.noise)
        return seen, None if companions is None else pack(companions, self.packed)

    @property
    def packed(self) -> int:
        """Number of samples that D sees at once."""
        return packed(self.hyperparameters)

    @property
    def matches_features(self) -> bool:
        """Whether feature matching replaces the generator's loss."""
        return isinstance(self.hyperparameters, FeatureMatching) and self.hyperparameters.feature_matching

    def indivisible(self) -> str:
        """Return which part looks at a batch as a whole, or an empty string."""
        knobs = self.hyperparameters
        if isinstance(knobs, BatchStatistics) and knobs.minibatch_kernels:
            return "minibatch discrimination compares all samples of a batch"
        if isinstance(knobs, BatchDeviation) and knobs.minibatch_deviation:
            return "minibatch standard deviation is that of a whole batch"
        return "feature matching compares means of a whole batch" if self.matches_features else ""

    def penalised(self, loss: Loss, batch: Batch) -> Loss:
        """Return L_D with the penalties of D's gradient that are switched on, and their scalars.

        Raises
        ------
        RuntimeError
            If L_D was computed without :meth:`scores`.
        """
        if not self._penalises:
            return loss
        if self._scored is None:
            raise RuntimeError(f"{type(self).__name__}: penalties need a loss of D that calls self.scores")
        (real, fake), self._scored = self._scored, None
        knobs = self.hyperparameters
        total, scalars = loss if isinstance(loss, tuple) else (loss, {})
        if isinstance(knobs, GradientPenalty) and knobs.penalty_weight:
            penalty = self._gradient_penalty(knobs, real, fake, batch)
            total, scalars = total + knobs.penalty_weight * penalty, scalars | {"gradient_penalty": penalty}
        if isinstance(knobs, SamplePenalties) and any(self._penalised_samples()):
            stated = {"r1": (knobs.r1_gamma, real), "r2": (knobs.r2_gamma, fake)}
            switched_on = {name: each for name, each in stated.items() if each[0]}
            found = squared_gradients([(each.scores, each.samples) for _, each in switched_on.values()])
            for (name, (gamma, _)), penalty in zip(switched_on.items(), found, strict=True):
                total, scalars = total + gamma / 2 * penalty, scalars | {name: penalty}
        return total, scalars

    def feature_matching_loss(self, fake: Tensor, batch: Batch) -> Loss:
        """Return the distance of D's mean features between the real batch and fake samples (B, ...)."""
        trunk = self.discriminator.get_submodule("trunk")
        with torch.no_grad():
            of_real = trunk(self.as_seen(batch.real, batch)[0])
        return feature_distance(of_real, trunk(self.as_seen(fake, batch)[0]))

    def add_parts(self) -> None:
        """Add spectral norm to the initialised discriminator, in place of batch norm.

        Raises
        ------
        ValueError
            If parts are switched on that cannot go together, or not with these samples.
        """
        refuse_augmented_points(self.hyperparameters, self.sample_shape)
        if self._has_spectral_norm:
            add_spectral_norm(self.discriminator)
        if self._penalises and batch_norms(self.discriminator):
            raise ValueError(
                "penalties of D's gradient need a discriminator without batch norm: with it the score of a "
                "sample depends on the others"
            )

    def refine_discriminator(self) -> None:
        """Clip weights and update spectral norms; called after each step of D's optimizer."""
        knobs = self.hyperparameters
        if isinstance(knobs, WeightClipping) and knobs.weight_clip:
            clip_weights(self.discriminator, knobs.weight_clip)
        if self._has_spectral_norm:
            iterate_spectral_norms(self.discriminator)

    @cached_property
    def _separates_real_and_fake(self) -> bool:
        knobs = self.hyperparameters
        statistics = (isinstance(knobs, BatchDeviation) and knobs.minibatch_deviation) or (
            isinstance(knobs, BatchStatistics) and knobs.minibatch_kernels > 0
        )
        return statistics or bool(batch_norms(self.discriminator))

    @property
    def _has_spectral_norm(self) -> bool:
        return isinstance(self.hyperparameters, SpectralNorm) and self.hyperparameters.spectral_norm

    @property
    def _penalises(self) -> bool:
        knobs = self.hyperparameters
        return (isinstance(knobs, GradientPenalty) and knobs.penalty_weight > 0) or any(
            self._penalised_samples()
        )

    def _penalised_samples(self) -> tuple[bool, bool]:
        """Return whether there is R1, and whether there is R2."""
        knobs = self.hyperparameters
        if not isinstance(knobs, SamplePenalties):
            return False, False
        return knobs.r1_gamma > 0, knobs.r2_gamma > 0

    def _gradient_penalty(self, knobs: GradientPenalty, real: Scored, fake: Scored, batch: Batch) -> Tensor:
        if knobs.penalty_at == "around":
            drawn = batch.noise.normal("around", tuple(real.samples.shape))
            points = real.samples.detach() + knobs.penalty_radius * drawn
            return gradient_penalty(self.score, points, real.companions)
        mix = points_between(real.samples, fake.samples, batch.noise)
        companions = None
        if real.companions is not None and fake.companions is not None:
            companions = mix(real.companions, fake.companions)
        return gradient_penalty(self.score, mix(real.samples, fake.samples), companions)
