"""Descriptions that MLflow's pages show of runs: the verdict, the command, and what may be asked next."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from bench.runs.description import RunDescription
from bench.runs.record import End
from bench.runs.run_names import ID_LENGTH

# tag, hidden by MLflow's pages: hash of the description that was written here and not by a person
WRITTEN = "mlflow.bench.note"
LONGEST = 5000  # characters that MLflow keeps of a tag in any store
# options of a run of several that a person does not type
_INCIDENTAL = {"--json": 1, "--parent": 2}


def of_run(
    description: RunDescription, end: End | None, last: Mapping[str, float], in_training: bool = False
) -> str:
    """Return the description of a run in Markdown.

    Parameters
    ----------
    description : RunDescription
        Content of run.json.
    end : End or None
        The end in its record; None for a run in training, or one that was broken off.
    last : mapping
        Metrics of the last evaluation.
    in_training : bool
        Whether a process trains the run.
    """
    word = description.id[:ID_LENGTH]
    again = "verify" if end and end.is_final() else "run --resume"
    machine = description.environment
    made_on = f"{machine.processor}, {machine.threads} threads, torch {machine.packages.get('torch')}"
    judged = f"Judged by {description.protocol}. " if description.protocol else ""
    return "\n\n".join(
        [
            "**in training**" if in_training else _verdict(description, end, last),
            _command_block(_typed(description.command), "" if in_training else f"bench {again} {word}"),
            f"{judged}Trained on {description.data.count:,} samples; {made_on}. Among the artifacts are "
            "`run.json` with every setting and version, and `record.jsonl` with every number.",
        ]
    )


def of_parent(command: Sequence[str], text: str) -> str:
    """Return the description of a run above several runs in Markdown: the results, and the command."""
    block = _command_block(_typed(command))
    room = LONGEST - len(block) - 100
    if len(text) > room:
        text = text[:room].rpartition("\n")[0] + "\n\nThe rest: `table.md` among the artifacts."
    return "\n\n".join(part for part in (text, block) if part)


def send(client: MlflowClient, run_id: str, text: str) -> None:
    """Set the description of a run, unless a person has written another one."""
    tags = client.get_run(run_id).data.tags
    present = tags.get(MLFLOW_RUN_NOTE, "")
    if present == text or (present and _digest(present) != tags.get(WRITTEN)):
        return
    client.log_batch(run_id, tags=[RunTag(MLFLOW_RUN_NOTE, text), RunTag(WRITTEN, _digest(text))])


def _verdict(description: RunDescription, end: End | None, last: Mapping[str, float]) -> str:
    if end is None:
        return "**stopped**"
    state = f"**{end.health}**"
    if end.status == "KILLED":
        state = f"**stopped**, {end.health} so far"
    line = f"{state} after {end.step:,} steps"
    metric = description.metric
    if metric in last:
        line += f"; {metric} {last[metric]:.4g} at the last evaluation"
    if f"{metric}_best" in end.best:
        step = int(end.best[f"{metric}_best_step"])
        line += f", best {end.best[f'{metric}_best']:.4g} at step {step:,}"
    return line


def _typed(command: Sequence[str]) -> str:
    """Return the command line as a person types it; empty for a run that Python made."""
    rest, kept = list(command), []
    while rest:
        if width := _INCIDENTAL.get(rest[0]):
            del rest[:width]
        else:
            kept.append(rest.pop(0))
    return shlex.join(["bench", *kept]) if kept and kept[0] in ("run", "study") else ""


def _command_block(*lines: str) -> str:
    kept = [line for line in lines if line]
    return "\n".join(["```sh", *kept, "```"]) if kept else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
