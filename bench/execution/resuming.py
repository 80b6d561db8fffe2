"""State to resume a run from, the extension of a run, and the begin of a session in the record."""

from bench.configuration import MOST_STEPS
from bench.execution.progress import Progress
from bench.execution.setup import TrainingSetup
from bench.execution.step_counts import plan_of
from bench.runs import checkpoint, record
from bench.runs.checkpoint import SavedState
from bench.runs.description import Beginning, ResolvedConfiguration, RunDescription
from bench.runs.generator import configuration_of
from bench.runs.record import CheckpointEvent, Extended, Mark, Record, Session
from bench.runs.run_folder import RunFolder
from bench.system.errors import RequestError, WorkError


def newest_state(run: RunFolder, recorded: Record, progress: Progress) -> SavedState | None:
    """Read the newest checkpoint that is intact, belongs to the run and is covered by the record.

    The folder of the run is only read.

    Parameters
    ----------
    run : RunFolder
        The run.
    recorded : Record
        Its record.
    progress : Progress
        Prints a warning for each checkpoint that is skipped.

    Returns
    -------
    SavedState or None
        Result of :func:`bench.runs.checkpoint.read`; None if the run has no checkpoint yet.

    Raises
    ------
    WorkError
        If the run has checkpoints, but none can be resumed from.
    """
    files = run.checkpoint_files()
    problems: list[str] = []
    for path in files:
        try:
            state = checkpoint.read(path, run.origin())
        except WorkError as error:
            problems.append(str(error))
            continue
        if record.mark_matches(run.record_path, Mark(**state["record"])):
            for problem in problems:
                progress.warning(f"{problem}; resuming from step {state['step']}")
            return state
        problems.append(
            f"checkpoint {path} is not covered by {run.record_path}, which was cut or changed since"
        )
    if files:
        found = "; ".join(problems)
        raise WorkError(f"run {run.id} has no checkpoint to resume from: {found}; nothing was changed")
    if recorded.checkpoints:
        progress.warning(f"the checkpoints of run {run.id} are gone: training begins again at step 1")
    return None


def wanted_steps(description: RunDescription, recorded: Record, steps: int | None) -> int:
    """Return the number of steps that a run is to have in all.

    Parameters
    ----------
    description : RunDescription
        The run.
    recorded : Record
        Its record.
    steps : int, optional
        The number that the user gives; by default the number that is planned.

    Raises
    ------
    RequestError
        If the run cannot have that number: fewer than planned, or more where the run ended early or is a
        trial.
    """
    planned = recorded.planned_steps(description.config.steps)
    if steps is None or steps == planned:
        return planned
    name = description.name
    if steps < planned:
        raise RequestError(
            f"steps: {steps:,} are too few: {name} was given {planned:,} steps, and a run can only be "
            f"extended; allowed are {planned:,} to {MOST_STEPS:,}"
        )
    if recorded.end and recorded.is_over() and recorded.end.status != "FINISHED":
        raise RequestError(f"{name} ended early ({recorded.end.health}): there is nothing to extend")
    if trial := description.study:
        raise RequestError(
            f"{name} is trial {trial.trial} of {trial.name}, whose trials are compared at {planned:,} steps: "
            "train a run of its own instead"
        )
    return steps


def extend(
    run: RunFolder,
    description: RunDescription,
    recorded: Record,
    setup: TrainingSetup,
    state: SavedState | None,
) -> RunDescription:
    """Give a run the steps of a setup, first in the record and then in run.json; return its description.

    A kill between the two leaves a run.json that the next call completes. Nothing is written if both have
    these steps.

    Parameters
    ----------
    run : RunFolder
        The run.
    description : RunDescription
        Content of run.json.
    recorded : Record
        The record, to which the event is added.
    setup : TrainingSetup
        The setup of the session that begins.
    state : SavedState or None
        The state that the session starts from.

    Raises
    ------
    RequestError
        If a step so far depends on the length of training: the run would not be that of a longer training.
    """
    plan = plan_of(setup.configuration.harness)
    planned = recorded.planned_steps(description.config.steps)
    if plan.steps != planned:
        if state and state["reads_progress"]:
            raise RequestError(
                f"{description.name} cannot be extended: the steps of {description.config.variant} depend on "
                f"the length of training; train a new run of {plan.steps:,} steps"
            )
        event = Extended(
            step=recorded.last_step,
            before=planned,
            steps=plan.steps,
            evaluates=plan.evaluates(planned),
            saves=plan.saves(planned),
        )
        writer = record.RecordWriter(run.record_path)
        writer.write([event])
        writer.sync()
        writer.close()
        recorded.extend(event)
    if plan.steps == description.config.steps:
        return description
    known = description.config.flat()
    longer = configuration_of(description).with_values(steps=plan.steps)
    beginning = Beginning(steps=description.config.steps, config_hash=description.config_hash)
    extended = description.model_copy(
        update={
            "config": ResolvedConfiguration.model_validate(known | {"steps": plan.steps}),
            "config_hash": longer.hash(known),
            "real_batches_per_step": setup.real_batches_per_step(),
            "extended_from": description.extended_from or beginning,
        }
    )
    run.write_description(extended)
    return extended


def begin(run: RunFolder, recorded: Record, session: Session, state: SavedState | None) -> list[str]:
    """Write the begin of a session to the record, and add it to `recorded`.

    If the run was killed between writing a checkpoint and its line in the record, the line is written now.

    Parameters
    ----------
    run : RunFolder
        The run.
    recorded : Record
        Its record; empty for a new run.
    session : Session
        The new session.
    state : SavedState or None
        The state that the session starts from.

    Returns
    -------
    list of str
        Differences from the previous session that may change the last bits of numbers.
    """
    differences = session.differences(recorded.sessions[-1]) if recorded.sessions else []
    writer = record.RecordWriter(run.record_path)
    writer.write([session])
    recorded.begin(session)
    if state and session.step not in [saved.step for saved in recorded.checkpoints]:
        missing = CheckpointEvent.model_validate(state["event"])
        writer.write([missing])
        recorded.checkpoints.append(missing)
    writer.close()
    return differences
