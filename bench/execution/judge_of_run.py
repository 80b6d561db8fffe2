"""The judge of a run on this machine: by which network, or none at all."""

import torch

from bench import datasets
from bench.configuration import Harness
from bench.execution.judgement import ready_judge
from bench.execution.progress import Progress
from bench.judging import extractors
from bench.judging.judge import Judge
from bench.judging.no_judge import NoJudge
from bench.judging.protocol import Extractor
from bench.system import paths
from bench.system.errors import WorkError
from bench.system.ranks import Ranks


def choose_extractor(
    harness: Harness,
    channels: int | None,
    device: torch.device,
    progress: Progress,
    ranks: Ranks,
    *,
    stand_in: bool,
    distance: str,
) -> Extractor | None:
    """Return the extractor by which a run is judged; needs no samples, so that it can refuse early.

    Parameters
    ----------
    harness : Harness
        The knob `extractor`, and the data set.
    channels : int or None
        Channels of the images; None for points.
    device : torch.device
        Device of the network.
    progress : Progress
        Says which network stands in for the wanted one, and how to have the wanted one.
    ranks : Ranks
        The processes that train together.
    stand_in, distance
        As for :func:`bench.execution.setup.set_up`.

    Returns
    -------
    Extractor or None
        None with `extractor: none`, for which nothing is loaded.

    Raises
    ------
    RequestError
        If the network does not accept such images.
    WorkError
        If weights are missing and nothing may stand in.
    """
    wanted = extractors.names_by_metric().get(distance, harness.extractor)
    if wanted is None:
        return None
    extractor = extractors.extractor_for(
        datasets.judged_by(harness.dataset),
        paths.cache(),
        channels=channels,
        modes=datasets.known_modes(harness.dataset),
        preferred=wanted,
        allow_download=True,
        device=device,
    )
    reason = extractors.missing_network(extractor, wanted, paths.cache())
    if reason and not stand_in:
        raise WorkError(f"extractor {wanted} cannot judge here: {reason}")
    if reason and ranks.first:
        progress.info(
            f"judge: {extractor.metric} (shipped network), since {reason}; "
            "extractor=none trains without a judge"
        )
    return extractor


def build_judge(
    extractor: Extractor | None,
    harness: Harness,
    array: datasets.DataArray,
    class_names: tuple[str, ...],
    progress: Progress,
    ranks: Ranks,
    held_out: datasets.DataArray | None = None,
) -> tuple[Judge | NoJudge, dict[str, float]]:
    """Return the judge, and its scores of held-out real samples.

    Parameters
    ----------
    extractor : Extractor or None
        Result of :func:`choose_extractor`.
    harness : Harness
        Data set, number of samples, and whether a moving average is judged.
    array : DataArray
        The real samples.
    class_names : tuple of str
        Names of the classes that samples are asked for; empty for a variant that is not conditional.
    progress : Progress
        Warns of data that the network was not trained for.
    ranks : Ranks
        The processes that train together.
    held_out : DataArray, optional
        Real samples outside the data set, which evaluations in training do not have.

    Returns
    -------
    judge : Judge or NoJudge
        Without an extractor a :class:`NoJudge`.
    real : dict
        Scores by metric; empty without an extractor, for which no statistics are measured.
    """
    if extractor is None:
        return NoJudge(ranks), {}
    generator = "ema" if harness.ema_decay else "raw"
    ready = ready_judge(
        extractor, array, harness.eval_samples, generator, class_names, progress, ranks, held_out
    )
    return ready.judge, ready.real
