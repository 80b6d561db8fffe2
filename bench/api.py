"""The harness from Python: train, search, collect, load."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.comparing.frame import results
from bench.runs.generator import TrainedGenerator
from bench.runs.generator import load as load_trained
from bench.runs.result import RunResult, read_run
from bench.runs.run_folder import RunFolder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from bench.checking import CheckReport
    from bench.datasets.samples.form import Layout, ValueRange
    from bench.execution.sample_judging import Draw, SampleJudgement
    from bench.searching.study import StudiesResult
    from variants.base import Variant

__all__ = ["check_variant", "judge", "load", "read_run", "results", "run", "run_many", "study"]


def run(variant: str, *, quiet: bool = False, **knobs: Any) -> RunResult:
    """Train one run, as ``bench run`` does.

    Parameters
    ----------
    variant : str
        Name of the variant.
    quiet : bool
        Show no progress.
    **knobs
        ``preset`` and any configuration key, such as ``seed=1, steps=500, lr_g=1e-3``.

    Returns
    -------
    RunResult
        With ``health``, ``metrics`` (of the last evaluation, by name) and ``trajectory()`` (a DataFrame of
        every step's scalars); with ``run`` (its folder), ``description`` (run.json) and ``record``. A
        notebook shows a table and the newest samples.

    Raises
    ------
    RequestError
        If a name or value is not possible.
    WorkError
        If data is missing; :class:`bench.training.trainer.Diverged` if a loss was not finite;
        :class:`bench.execution.callbacks.Collapsed` if `stop_on` ended the run.
    """
    from bench.configuration import resolve
    from bench.execution.progress import Progress
    from bench.execution.session import start

    return start(resolve(knobs | {"variant": variant}), Progress(quiet=quiet))


def run_many(
    variants: Sequence[str], seeds: Iterable[int], *, workers: int = 1, quiet: bool = False, **knobs: Any
) -> "pd.DataFrame":
    """Train every variant with every seed, as ``bench run --variant A,B --seeds 0-4``.

    Called again it goes on where it was stopped.

    Parameters
    ----------
    variants : sequence of str
        Names of variants.
    seeds : iterable of int
        Seeds, from 0.
    workers : int
        Runs at a time, each in a process of its own.
    quiet : bool
        Show no progress.
    **knobs
        ``preset`` and any configuration key.

    Returns
    -------
    DataFrame
        The complete runs at their last evaluation, as :func:`results` gives them.

    Raises
    ------
    RequestError
        If a name or value is not possible.
    WorkError
        If a run failed; the others are complete.
    """
    from bench.execution import multirun
    from bench.execution.progress import Progress

    progress = Progress(quiet=quiet)
    planned = multirun.plan(list(variants), list(seeds), knobs, None, workers, progress)
    outcome = multirun.train(planned, workers, progress)
    outcome.raise_failures()
    frame = results(experiment=planned.experiment)
    return frame[frame["run_id"].isin([run.id for run in outcome.runs])].reset_index(drop=True)


def study(
    name: str,
    variants: Sequence[str] = (),
    *,
    trials: int | None = None,
    workers: int = 1,
    timeout: float | None = None,
    storage: str | None = None,
    quiet: bool = False,
    **knobs: Any,
) -> "StudiesResult":
    """Search hyperparameters, as ``bench study NAME`` does.

    Called again it goes on where it was stopped.

    Parameters
    ----------
    name : str
        A study that comes with the project, or the path of a study file.
    variants : sequence of str
        What to tune, each with the same budget; the file's variant where none is given.
    trials : int, optional
        Budget of each variant, instead of the file's.
    workers : int
        Trials at a time, each worker a process of its own.
    timeout : float, optional
        Minutes after which no trial begins.
    storage : str, optional
        ``postgresql://USER@HOST/DATABASE``; a journal file where not given.
    quiet : bool
        Show no progress.
    **knobs
        Any configuration key that is not searched.

    Returns
    -------
    StudiesResult
        ``studies``, one a variant, with ``plan`` and ``result`` (``best``, ``trials``, ``importances``), and
        ``winners``, the winners' runs on fresh seeds where the file names some.

    Raises
    ------
    RequestError
        If a name, range or value is not possible.
    WorkError
        If no trial was completed, or workers or storage fail.
    """
    from bench.execution.progress import Progress
    from bench.searching import study_file
    from bench.searching.study import ExecutionOptions, plan_studies, run_studies

    title, file = study_file.read(name, trials=trials)
    options, progress = ExecutionOptions(storage, workers, timeout), Progress(quiet=quiet)
    return run_studies(plan_studies(title, file, variants, knobs, options, progress), options, progress)


def check_variant(variant: "str | type[Variant]", **settings: Any) -> "CheckReport":
    """Check a variant against the contract, as ``bench check-variant`` does; for the tests of a package.

    ``bench.check_variant(MyGan)`` is a whole test: an exception names each check that fails, and why.

    Parameters
    ----------
    variant : str or type[Variant]
        A name, or a class, which need not be registered.
    **settings
        Hyperparameters, `image_size` and `channels` in place of the small ones of the checks.

    Returns
    -------
    CheckReport
        Its ``results`` are the outcomes of all checks.

    Raises
    ------
    RequestError
        If the name is unknown, or a setting is not possible.
    WorkError
        If a check fails.
    """
    from bench.checking import check
    from bench.configuration import variant_named

    report = check(variant_named(variant) if isinstance(variant, str) else variant, settings)
    report.raise_failures()
    return report


def judge(
    samples: "str | Path | np.ndarray | Tensor | Draw",
    against: str,
    *,
    metrics: Sequence[str] = (),
    count: int | None = None,
    labels: "np.ndarray | Tensor | None" = None,
    value_range: "ValueRange | None" = None,
    layout: "Layout | None" = None,
    in_order: bool = False,
    extractor: str = "inception",
    image_size: int | None = None,
    channels: Literal[1, 3] | None = None,
    crop: str | None = None,
    held_out: float = 0.0,
    data_root: str | None = None,
    device: str = "auto",
    threads: int = 0,
    quiet: bool = False,
) -> "SampleJudgement":
    """Measure any samples against real ones, as ``bench judge`` does.

    Parameters
    ----------
    samples : str, Path, ndarray, Tensor or callable
        A folder of images, an .npz or .npy file; an array or a tensor: uint8 images (N, H, W, C),
        (N, C, H, W) or (N, H, W), or points (N, 2); or a function that is given a number of samples and
        returns them, or yields them in batches.
    against : str
        Data set of the real samples, such as ``"mnist-5k"`` or ``"folder:photos"``.
    metrics : sequence of str
        Metrics; all that the judge measures where none are given.
    count : int, optional
        Number of samples to judge, the first ones; all where not given. Needed for a function.
    labels : ndarray or Tensor, optional
        Class of each sample of an array, whole numbers (N,), by the data set's numbers.
    value_range : {"0,1", "-1,1"}, optional
        Black and white in images of floating-point numbers, which are refused without.
    layout : {"NHWC", "NCHW"}, optional
        Order of the axes of images, where the shape has two readings.
    in_order : bool
        Take the samples of a file or an array in their own order, as independent draws. By default a fixed
        random order is taken, since metrics that compare samples pairwise see the first ones only.
    extractor : str
        Network behind the Frechet distance, as the knob of that name.
    image_size : int, optional
        Resize the centre squares of the samples to this side; by default they keep their size.
    channels : {1, 3}, optional
        Convert the samples to grey or RGB; by default they keep their channels.
    crop : str, optional
        Square to cut out of the real images, as the knob of that name; by default the data set's own crop.
    held_out : float
        Share of the real samples to hold out, as the knob of that name; with 0 the published test split is
        held out, where its files are there.
    data_root : str, optional
        Folder of the published data sets.
    device : {"auto", "cpu", "cuda"}
        Where to compute.
    threads : int
        CPU threads; 0 leaves them to torch.
    quiet : bool
        Show no progress.

    Returns
    -------
    SampleJudgement
        With ``values`` and ``real`` (by metric), ``verdict``, ``signs``, ``protocols`` and ``notes``. A
        notebook shows a table.

    Raises
    ------
    RequestError
        If the samples cannot be read or do not fit the data set, or a name or value is not possible.
    WorkError
        If data or weights are missing.
    """
    from bench.datasets.samples.form import LAYOUTS, VALUE_RANGES, Form
    from bench.execution.progress import Progress
    from bench.execution.sample_judging import SampleRequest, as_array, judge_array, judge_draws, judge_file
    from bench.system.errors import unknown

    for what, value, allowed in (("value_range", value_range, VALUE_RANGES), ("layout", layout, LAYOUTS)):
        if value not in (None, *allowed):
            raise unknown(what, str(value), allowed)
    request = SampleRequest(
        against=against,
        metrics=(metrics,) if isinstance(metrics, str) else tuple(metrics),
        count=count,
        in_order=in_order,
        extractor=extractor,
        form=Form(value_range, layout, image_size, channels),
        held_out=held_out,
        crop=crop,
        data_root=data_root,
        device=device,
        threads=threads,
    )
    progress = Progress(quiet=quiet)
    if isinstance(samples, str | Path):
        return judge_file(samples, request, progress)
    if callable(samples):
        return judge_draws(samples, request, progress)
    return judge_array(as_array(samples), None if labels is None else as_array(labels), request, progress)


def load(run: str | RunFolder | RunResult, checkpoint: str | int = "best") -> TrainedGenerator:
    """Load a trained generator.

    Parameters
    ----------
    run : str, RunFolder or RunResult
        An id or name, a unique beginning, or ``last``; or what :func:`run` returned.
    checkpoint : str or int
        ``best`` (by Frechet distance), ``best-NAME`` (by a training scalar NAME that selects), ``last`` or a
        step.

    Returns
    -------
    TrainedGenerator
        ``load("last").sample(16, seed=0)`` gives samples, float32: images (16, C, H, W) in
        [-1, 1], or points (16, 2).

    Raises
    ------
    RequestError
        If there is no such run or checkpoint.
    WorkError
        If the checkpoint is damaged.
    """
    folder = run if isinstance(run, str | RunFolder) else run.run
    return load_trained(folder, str(checkpoint))
