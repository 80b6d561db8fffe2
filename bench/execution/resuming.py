"""What a resume goes on from, and what it says of it."""

from bench.execution.progress import Progress
from bench.runs import checkpoint, record
from bench.runs.checkpoint import SavedState
from bench.runs.record import CheckpointEvent, Mark, Record, Session
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError


def newest_state(run: RunFolder, recorded: Record, progress: Progress) -> SavedState | None:
    """The state of the newest checkpoint that is whole, the run's own and covered by the record.

    Nothing is changed in the run's folder.

    Parameters
    ----------
    run : RunFolder
        The run.
    recorded : Record
        What its record says.
    progress : Progress
        Warned of each checkpoint that is passed over.

    Returns
    -------
    SavedState or None
        As :func:`bench.runs.checkpoint.read` gives it; None where the run has no checkpoint yet.

    Raises
    ------
    WorkError
        If the run has checkpoints, and none can be gone on from.
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
                progress.warning(f"{problem}; going on from step {state['step']}")
            return state
        problems.append(
            f"checkpoint {path} is not covered by {run.record_path}, which was cut or changed since"
        )
    if files:
        found = "; ".join(problems)
        raise WorkError(f"run {run.id} has no checkpoint to go on from: {found}; nothing was changed")
    if recorded.checkpoints:
        progress.warning(f"the checkpoints of run {run.id} are gone: training begins again at step 1")
    return None


def begin(run: RunFolder, recorded: Record, session: Session, state: SavedState | None) -> list[str]:
    """Write the beginning of a session into the record, and begin it in `recorded`.

    A run that was killed between a checkpoint and its line in the record gets the line now.

    Parameters
    ----------
    run : RunFolder
        The run.
    recorded : Record
        What its record says; empty for a new run.
    session : Session
        The session.
    state : SavedState or None
        The state that the session starts from.

    Returns
    -------
    list of str
        How the session differs from the one before in what may change the last bits of numbers.
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
