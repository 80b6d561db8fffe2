"""Checkpoints of a run by the words that a user types: ``best``, ``last``, a step."""

from pathlib import Path

from bench.runs import record
from bench.runs.record import best_checkpoints
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, shown


def checkpoint_file(run: RunFolder, word: str = "best") -> Path:
    """Return the checkpoint file of a run that a word names.

    Parameters
    ----------
    run : RunFolder
        The run.
    word : str
        ``best`` (by Fréchet distance; the last one of a run without a judge), ``best-NAME`` for a scalar
        that selects checkpoints, ``last`` or a step that has a checkpoint.

    Raises
    ------
    RequestError
        If there is no such checkpoint; the message names those there are.
    """
    description = run.describe()
    recorded = record.read(run.record_path)
    best = best_checkpoints(
        recorded.checkpoints, recorded.evaluations, description.metric, description.scalars
    )
    kept = {each.step: each for each in recorded.checkpoints if (run.checkpoints / each.file).exists()}
    named = {str(step): each for step, each in kept.items()}
    if kept:
        named["last"] = kept[max(kept)]
        named["best"] = best[description.metric].checkpoint if description.metric in best else named["last"]
    selecting = [scalar.name for scalar in description.scalars if scalar.selects]
    named |= {f"best-{name}": best[name].checkpoint for name in selecting if name in best}
    named = {name: each for name, each in named.items() if each.step in kept}
    if word not in named:
        raise RequestError(
            f"checkpoint {shown(word)} does not exist: run {run.id} has {', '.join(named) or 'none'}"
        )
    return run.checkpoints / named[word].file
