"""State to resume a run from, and the begin of a session in the record."""

from bench.execution.progress import Progress
from bench.runs import checkpoint, record
from bench.runs.checkpoint import SavedState
from bench.runs.record import CheckpointEvent, Mark, Record, Session
from bench.runs.run_folder import RunFolder
from bench.system.errors import WorkError


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
