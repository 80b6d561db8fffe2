"""The samplers that study files name."""

from optuna import samplers

from bench.searching.study_file import Sampler
from variants.noise import derive_seed


def sampler_for(sampler: Sampler, trials: int) -> samplers.BaseSampler:
    """Return the sampler of the trial after `trials` others, not counting retries.

    Its seed is derived from the study's and the count, so that no two trials, whichever worker asks
    for them, draw the same, and a study with one worker draws the same however often it is stopped.
    """
    seed = derive_seed(sampler.seed, f"trial {trials}") % 2**32
    if sampler.name == "random":
        return samplers.RandomSampler(seed=seed)
    if sampler.name == "gp":
        return samplers.GPSampler(
            seed=seed, n_startup_trials=sampler.startup_trials, deterministic_objective=False
        )
    return samplers.TPESampler(seed=seed, n_startup_trials=sampler.startup_trials)
