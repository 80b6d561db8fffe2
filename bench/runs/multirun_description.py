"""Content of multirun.json: the runs of a multirun and what they share."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.runs.description import RunDescription
from bench.system.json_values import JsonScalar

MULTIRUN_FILE = "multirun.json"


class MultirunMember(BaseModel):
    """A run of a multirun.

    Attributes
    ----------
    variant : str
        Name of the variant.
    seed : int
        Seed of the run.
    config_hash : str
        Hash of the configuration.
    """

    variant: str
    seed: int
    config_hash: str


class MultirunDescription(BaseModel):
    """Description of a multirun.

    Attributes
    ----------
    hash : str
        Hash of configurations, data and experiment.
    name : str
        Variants, data set and seeds.
    experiment : str
        MLflow experiment of the runs.
    config : dict
        Knobs with the same value in all runs.
    data_hash : str
        Hash of the training samples.
    command : list of str
        Command line after ``bench``.
    members : list of MultirunMember
        The runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hash: str
    name: str
    experiment: str
    config: dict[str, JsonScalar]
    data_hash: str
    command: list[str]
    members: list[MultirunMember]

    @property
    def variants(self) -> list[str]:
        """Names of the variants, in order."""
        return list(dict.fromkeys(member.variant for member in self.members))

    @property
    def seeds(self) -> list[int]:
        """Seeds, in order."""
        return list(dict.fromkeys(member.seed for member in self.members))

    def has(self, description: RunDescription) -> bool:
        """Return whether a run is a member."""
        return (
            description.data.hash == self.data_hash
            and description.config.experiment == self.experiment
            and description.config_hash in {member.config_hash for member in self.members}
        )


def read_multirun(path: Path) -> MultirunDescription:
    """Read a multirun.json; ValueError if the content is not a description."""
    return MultirunDescription.model_validate_json(path.read_bytes())
