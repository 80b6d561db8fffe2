"""The lines with which a run begins: what it is, where it lies, how it is judged and how it is resumed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote

from bench.configuration import Configuration
from bench.runs.description import RunDescription
from bench.runs.run_folder import RunFolder
from bench.system.json_values import JsonScalar


def opening(run: RunFolder, description: RunDescription, step: int | None = None) -> str:
    """Return the lines that a run prints when it begins or is resumed.

    Parameters
    ----------
    run : RunFolder
        Folder of the run.
    description : RunDescription
        Content of run.json.
    step : int, optional
        The step after which a resumed run goes on.

    Returns
    -------
    str
        Five to seven lines: run, trial, folder, preset, judge, how to resume it, and the step.
    """
    lines = {
        "run": description.name,
        **({"trial": f"{trial.trial} of {trial.name}"} if (trial := description.study) else {}),
        "folder": str(run.path),
        "preset": length_text(description.config.flat()),
        "judge": judge_text(description.metric, description.protocol),
        "resume": resume_text(description),
    }
    if step is not None:
        lines["goes on"] = f"after step {step:,}"
    return aligned(lines)


def resume_text(description: RunDescription) -> str:
    """Return how to resume a run: the command, or for a trial whose command to repeat."""
    if trial := description.study:
        return f"the command of study {trial.name} again"
    return f"bench run --resume {quote(description.name)}"


def opening_of_many(
    name: str, folder: Path, configurations: Sequence[Configuration], judges: Sequence[str]
) -> str:
    """Return the lines that several runs of one command print when they begin.

    Parameters
    ----------
    name : str
        Variants, data set and seeds.
    folder : Path
        Folder of table, figures and logs.
    configurations : sequence of Configuration
        Of all runs.
    judges : sequence of str
        Metric and protocol of each variant's judge.
    """
    presets = dict.fromkeys(length_text(each.flat()) for each in configurations)
    lines = {
        "runs": name,
        "folder": str(folder),
        "preset": "; ".join(presets),
        "judge": "; ".join(dict.fromkeys(judges)),
        "resume": "the same command again",
    }
    return aligned(lines)


def judge_text(metric: str, protocol: str) -> str:
    """Return what is measured and how, as text; without a judge, what measures later."""
    if not metric:
        return "none: bench eval RUN --extractor NAME measures a checkpoint later"
    return f"{metric} and others by {protocol}"


def length_text(config: Mapping[str, JsonScalar]) -> str:
    """Return preset, variant, data and length of a configuration as text."""
    size = "" if config["image_size"] is None else f" at {config['image_size']} px"
    return (
        f"{config['preset']}: {config['variant']} on {config['dataset']}{size}, "
        f"batches of {config['batch_size']:,}, {config['steps']:,} steps"
    )


def aligned(lines: Mapping[str, str]) -> str:
    """Return named texts as lines, the texts in one column."""
    width = max(8, *(len(name) + 2 for name in lines))
    return "\n".join(f"{name:<{width}}{text}" for name, text in lines.items())
