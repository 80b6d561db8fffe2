"""What run.json says of a run: identity, data, judging, machine and command.

A description is written when the run begins. Only an extension of the run changes it, by the number of steps
and what follows from that number. It carries the number of its format and a digest of everything else.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from bench.runs.environment import Environment
from bench.runs.file_model import FileModel
from bench.system.json_values import JsonScalar
from variants.scalars import TrainingScalar

FORMAT = 5  # the value of SCHEMA that this version writes and reads
SCHEMA = "schema"  # the key of run.json that holds the number of the format
DIGEST = "sha256"  # the key of run.json that holds the digest of all others


class ResolvedConfiguration(FileModel):
    """Every knob of a run by name, with its resolved value; the fields are those of every variant.

    Attributes
    ----------
    variant, preset, dataset, experiment : str
        Names.
    seed : int
        The seed of all draws.
    steps : int
        Length of training, in generator updates.
    image_size : int or None
        Side of the images in pixels; None for points.
    channels : int or None
        Colours of an image; None for points.
    batch_size : int
        Real samples in a batch.
    drop_last : bool
        Whether an epoch leaves out its short last batch.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonScalar]

    variant: str
    preset: str
    dataset: str
    image_size: int | None
    channels: int | None
    batch_size: int
    drop_last: bool
    experiment: str
    seed: int
    steps: int

    def flat(self) -> dict[str, JsonScalar]:
        """Every knob by name."""
        return self.model_dump()


class TrainingData(FileModel):
    """The training samples.

    Attributes
    ----------
    name : str
        Name of the data set.
    hash : str
        SHA-256 of the samples.
    transform : str
        How the samples were made from the data set's files.
    count : int
        Number of samples.
    classes : tuple of str
        Names of the classes, by number; empty where the data set has no labels.
    labels_hash : str
        SHA-256 of the names of the classes and the labels; empty without labels.
    """

    name: str
    hash: str
    transform: str
    count: int = Field(ge=1)
    classes: tuple[str, ...] = ()
    labels_hash: str = ""


class NetworkDescription(FileModel):
    """A network that is trained.

    Attributes
    ----------
    label : str
        Name in tables.
    parameters : int
        Number of its parameters.
    """

    label: str
    parameters: int


class StudyTrial(FileModel):
    """The trial of a study that a run belongs to.

    Attributes
    ----------
    name : str
        Name of the study.
    trial : int
        Number of the trial.
    """

    name: str
    trial: int


class HealthSign(FileModel):
    """One sign of an unhealthy sampler: a metric beyond a bound that held-out real samples set.

    Attributes
    ----------
    metric : str
        The metric.
    below : float or None
        Part of the real samples' value, below which the sign holds; None for a sign with the bound `above`.
    above : float or None
        Excess over the real samples' value, above which the sign holds.
    where : str
        Metric by which samples have to be good for the sign to count; empty for a sign of all samples.
    where_from : float
        Part of the real samples' value of that other metric, from which on samples are good.
    """

    metric: str
    below: float | None = None
    above: float | None = None
    where: str = ""
    where_from: float = 0.0

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.below is None) == (self.above is None):
            raise ValueError("one of below and above must be given")
        return self


class HealthRules(FileModel):
    """The rules by which a run's health is judged (:mod:`bench.health.verdict`).

    Attributes
    ----------
    collapse : tuple of HealthSign
        A sampler has collapsed when one of these signs holds.
    memorisation : tuple of HealthSign
        A sampler that has not collapsed has memorised training samples when one of these signs holds.
    stuck_over_last : float
        Last part of a run throughout which a scalar has to be exactly at a bound to be stuck.
    """

    collapse: tuple[HealthSign, ...]
    memorisation: tuple[HealthSign, ...]
    stuck_over_last: float = Field(ge=0, le=1)


class MetricDeclaration(FileModel):
    """A metric that a run measures, as defined then: no reader of the run needs the definition.

    Attributes
    ----------
    title : str
        Its meaning, in one line.
    better : {"lower", "higher"}
        Which values are better.
    settings : str
        Constants that decide its value; empty where there are none.
    """

    title: str
    better: Literal["lower", "higher"]
    settings: str


class Beginning(FileModel):
    """What an extended run began with.

    Attributes
    ----------
    steps : int
        The steps that were planned.
    config_hash : str
        Hash of the configuration with these steps, which all checkpoints of the run carry.
    """

    steps: int = Field(ge=1)
    config_hash: str


class RunDescription(FileModel):
    """What run.json says of a run.

    Attributes
    ----------
    id, name : str
        Id, the same as in MLflow, and a readable name.
    created : str
        When the run began, ISO 8601 to the millisecond, with its offset from UTC.
    config : ResolvedConfiguration
        Every knob.
    config_hash : str
        SHA-256 of the knobs that decide what is computed.
    data : TrainingData
        The training samples.
    real_batches_per_step : float
        New real batches in a training step, in the mean over the planned steps.
    scalars : tuple of TrainingScalar
        What the variant declares of the scalars of its steps, with the rules of alarms.
    metric : str
        Name of the Frechet distance by which the best checkpoint is chosen; empty for a run without a judge.
    protocol : str
        How metrics come about, for the tag ``metric.protocol``; empty for a run without a judge.
    metrics : mapping
        What each measured metric is, by its recorded name; empty for a run without a judge.
    paired : int
        Generated and real samples that are compared with each other; 0 for a run without a judge.
    real : mapping
        Metrics of held-out real samples; empty for a run without a judge.
    health_rules : HealthRules
        Rules of the run's health.
    networks : mapping
        The networks that are trained, by name.
    environment : Environment
        Machine, packages and commit.
    tracking : str or None
        The tracking store, without secrets; None for a run without tracking.
    command : list of str
        Arguments of the command.
    parent : str or None
        Id of the MLflow run above it, if there is one.
    study : StudyTrial or None
        The trial that the run belongs to, if any.
    extended_from : Beginning or None
        What the run began with, if it was extended since.
    """

    id: str
    name: str
    created: str
    config: ResolvedConfiguration
    config_hash: str
    data: TrainingData
    real_batches_per_step: float = Field(gt=0)
    scalars: tuple[TrainingScalar, ...]
    metric: str
    protocol: str
    metrics: Mapping[str, MetricDeclaration]
    paired: int
    real: Mapping[str, float]
    health_rules: HealthRules
    networks: Mapping[str, NetworkDescription]
    environment: Environment
    tracking: str | None
    command: list[str]
    parent: str | None = None
    study: StudyTrial | None = None
    extended_from: Beginning | None = None

    def __repr__(self) -> str:
        config = self.config
        of = f"{config.variant} on {config.dataset}, preset {config.preset}, seed {config.seed}"
        return f"RunDescription({self.name}: {of})"

    @property
    def is_judged(self) -> bool:
        """Whether the run has a judge: false with `extractor: none`."""
        return bool(self.metric)

    @property
    def parameters(self) -> int:
        """Number of parameters of all networks."""
        return sum(network.parameters for network in self.networks.values())

    @property
    def first_config_hash(self) -> str:
        """Hash of the configuration that the run began with."""
        return self.extended_from.config_hash if self.extended_from else self.config_hash

    def epochs_per_step(self) -> float:
        """Passes over the real samples in one step, as the trainer counts them; above 0.

        An epoch without its short last batch counts as a whole one.
        """
        size, count = self.config.batch_size, self.data.count
        return self.real_batches_per_step / (count // size if self.config.drop_last else -(-count // size))


def dump(description: RunDescription) -> str:
    """Return the text of run.json for a description: its format, fields and digest."""
    content = {SCHEMA: FORMAT, **description.model_dump()}
    return json.dumps({**content, DIGEST: digest_of(content)}, indent=2) + "\n"


def parse(text: str) -> RunDescription:
    """Return the description that a run.json holds.

    Raises
    ------
    ValueError
        If the text is of another format, damaged, or changed since it was written; the message continues a
        sentence that begins with the file's path.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is damaged: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("is damaged: it is no JSON object")
    if content.get(SCHEMA) != FORMAT:
        found = f"has {SCHEMA} {content[SCHEMA]!r:.40}" if SCHEMA in content else f"has no {SCHEMA} number"
        raise ValueError(f"{found}: this version reads {SCHEMA} {FORMAT} only")
    try:
        fields = {name: value for name, value in content.items() if name not in (SCHEMA, DIGEST)}
        # as JSON, whose lists are the tuples of the model
        description = RunDescription.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        raise ValueError(f"is damaged: {_reason(error.errors()[0])}") from None
    if DIGEST not in content:
        raise ValueError(f"is damaged: {DIGEST} is missing")
    if content[DIGEST] != digest_of(content):
        raise ValueError("was changed since it was written: its content does not match its digest")
    return description


def digest_of(content: Mapping[str, object]) -> str:
    """SHA-256 of a description's plain values without their own digest, in hexadecimal.

    The digest is that of canonical JSON: sorted keys, no spaces, ASCII only.
    """
    plain = {key: value for key, value in content.items() if key != DIGEST}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _reason(error: ErrorDetails) -> str:
    """Name the field and what is wrong with it."""
    place = ": ".join(str(part) for part in error["loc"])
    reasons = {
        "missing": "is missing",
        "extra_forbidden": "is unknown",
        "unexpected_keyword_argument": "is unknown",
        "union_tag_invalid": "is of an unknown kind",
        "union_tag_not_found": "is of an unknown kind",
    }
    if error["type"].startswith(("greater_than", "less_than")):
        return f"{place} is out of range: {error['msg']}"
    return f"{place} {reasons.get(error['type'], 'has a value of the wrong type')}"
