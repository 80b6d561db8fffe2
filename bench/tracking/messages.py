"""Messages between a training process and its tracking process: JSON objects, one per line.

The `uri` of a request is the address of the store, with its credentials.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic_core import to_json

from bench.runs.description import RunDescription
from bench.system.json_values import JsonScalar


@dataclass(frozen=True)
class ParentRun:
    """The MLflow run above several runs: above those of a multirun, or above a study's trials.

    Attributes
    ----------
    experiment, name : str
        The MLflow experiment and the run's name.
    identity : tuple of str
        The tag by which the run is found again, and the tag's value.
    tags : dict
        Further tags.
    params : dict
        Params.
    command : list of str
        The command line after ``bench``.
    """

    experiment: str
    name: str
    identity: tuple[str, str]
    tags: dict[str, str]
    params: dict[str, JsonScalar]
    command: list[str]


@dataclass(frozen=True)
class ParentSummary:
    """What a parent run shows when all runs below it have ended.

    Attributes
    ----------
    runs : list of str
        Ids of the runs directly below it; empty for a study, whose trials are shown already.
    text : str
        Results in Markdown, for the description of the run.
    files : list of str
        Names of files and folders to upload as artifacts.
    status : str
        FINISHED, FAILED or KILLED.
    """

    runs: list[str]
    text: str
    files: list[str]
    status: str


@dataclass(frozen=True)
class TrialSnapshot:
    """A study's trial at one moment.

    Attributes
    ----------
    number : int
        The trial's number.
    state : str
        RUNNING, COMPLETE, PRUNED or FAIL.
    reason : str
        Why the trial was pruned or failed; may be empty.
    params : dict
        The searched values.
    values : dict
        Final objective values by metric; empty unless the trial is complete.
    intermediate : dict
        Reported values by metric, then by step.
    runs : list of str
        Ids of the trial's runs, one per seed. A run that two trials name belongs to the later one.
    started, finished : int or None
        Milliseconds since the epoch.
    """

    number: int
    state: str
    reason: str = ""
    params: dict[str, JsonScalar] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    intermediate: dict[str, dict[int, float]] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    started: int | None = None
    finished: int | None = None


@dataclass(frozen=True)
class StudySnapshot:
    """A study's trials at one moment, to be shown below the study's run.

    Attributes
    ----------
    parent : str
        MLflow id of the study's run.
    study : str
        The study's name.
    experiment : str
        Name of the MLflow experiment.
    trials : list of TrialSnapshot
        Every trial.
    best : dict
        For each metric the best value so far, by the number of trials that had ended by then.
    """

    parent: str
    study: str
    experiment: str
    trials: list[TrialSnapshot]
    best: dict[str, dict[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenStore:
    """Open the store."""

    uri: str
    kind: Literal["open_store"] = "open_store"


@dataclass(frozen=True)
class CreateRun:
    """Create the MLflow run of a description (as in run.json). Answer: :class:`RunId`."""

    uri: str
    description: RunDescription
    kind: Literal["create_run"] = "create_run"


@dataclass(frozen=True)
class FollowRun:
    """Send the run in a folder to the store while the run is trained."""

    uri: str
    folder: Path
    kind: Literal["follow_run"] = "follow_run"


@dataclass(frozen=True)
class FinishRun:
    """Finish the created or followed run in the store."""

    kind: Literal["finish_run"] = "finish_run"


@dataclass(frozen=True)
class SendRun:
    """Send what the store lacks of a run that is not being trained. Answer: :class:`RunSent`."""

    uri: str
    folder: Path
    kind: Literal["send_run"] = "send_run"


@dataclass(frozen=True)
class OpenParent:
    """Find or create a parent run, and mark the run as running. Answer: :class:`RunId`."""

    uri: str
    parent: ParentRun
    kind: Literal["open_parent"] = "open_parent"


@dataclass(frozen=True)
class ShowTrials:
    """Update the runs below a study's run."""

    uri: str
    snapshot: StudySnapshot
    kind: Literal["show_trials"] = "show_trials"


@dataclass(frozen=True)
class FinishParent:
    """Log a parent run's summary, upload its files from `folder`, and end the run."""

    uri: str
    parent: str
    summary: ParentSummary
    folder: Path
    kind: Literal["finish_parent"] = "finish_parent"


@dataclass(frozen=True)
class ShareView:
    """Set the columns of an experiment's page in MLflow. Answer: :class:`ViewShared`."""

    uri: str
    experiment: str
    metrics: list[str]
    tags: list[str]
    kind: Literal["share_view"] = "share_view"


@dataclass(frozen=True)
class DeleteRuns:
    """Delete the runs of folders, by the folders' ids, with everything that the store has of them."""

    uri: str
    runs: list[str]
    kind: Literal["delete_runs"] = "delete_runs"


@dataclass(frozen=True)
class DeleteStudy:
    """Delete all runs of a study, by its name, with everything that the store has of them."""

    uri: str
    study: str
    kind: Literal["delete_study"] = "delete_study"


@dataclass(frozen=True)
class Done:
    """A request was carried out."""

    kind: Literal["done"] = "done"


@dataclass(frozen=True)
class RunId:
    """Id of an MLflow run."""

    id: str
    kind: Literal["run_id"] = "run_id"


@dataclass(frozen=True)
class RunSent:
    """A run was sent: its MLflow id, and how many points and files the store lacked."""

    id: str
    points: int
    files: int
    kind: Literal["run_sent"] = "run_sent"


@dataclass(frozen=True)
class ViewShared:
    """The id of the experiment whose page has the columns; None if the store lacks the experiment."""

    experiment_id: str | None
    kind: Literal["view_shared"] = "view_shared"


@dataclass(frozen=True)
class Failure:
    """A request failed, and why."""

    reason: str
    kind: Literal["failure"] = "failure"


@dataclass(frozen=True)
class Notice:
    """A line about the store for the user, a warning if the store lacks something; answers no request."""

    text: str
    is_warning: bool
    kind: Literal["notice"] = "notice"


Request: TypeAlias = (
    OpenStore
    | CreateRun
    | FollowRun
    | FinishRun
    | SendRun
    | OpenParent
    | ShowTrials
    | FinishParent
    | ShareView
    | DeleteRuns
    | DeleteStudy
)
Answer: TypeAlias = Done | RunId | RunSent | ViewShared | Failure

# built at first use: each side reads only one of them
_DEFERRED = ConfigDict(defer_build=True)
_REQUESTS: TypeAdapter[Request] = TypeAdapter(
    Annotated[Request, Field(discriminator="kind")], config=_DEFERRED
)
_ANSWERS: TypeAdapter[Answer | Notice] = TypeAdapter(
    Annotated[Answer | Notice, Field(discriminator="kind")], config=_DEFERRED
)


def encode(message: Request | Answer | Notice) -> bytes:
    """Return a message as a line of JSON."""
    return to_json(message, inf_nan_mode="constants") + b"\n"


def decode_request(line: bytes) -> Request:
    """Read a request; pydantic.ValidationError if the line is not one."""
    return _REQUESTS.validate_json(line)


def decode_answer(line: bytes) -> Answer | Notice:
    """Read an answer or a notice; pydantic.ValidationError if the line is neither."""
    return _ANSWERS.validate_json(line)
