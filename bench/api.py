"""The harness from Python: train, search, collect, load."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bench.comparing.frame import results
from bench.runs.generator import TrainedGenerator
from bench.runs.generator import load as load_trained
from bench.runs.result import RunResult, read_run
from bench.runs.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from bench.checking import CheckReport
    from bench.searching.study import StudiesResult
    from variants.base import Variant

__all__ = ["check_variant", "load", "read_run", "results", "run", "run_many", "study"]


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
