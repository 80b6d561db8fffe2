"""Base class of everything that the files of a run hold."""

from pydantic import BaseModel, ConfigDict


class FileModel(BaseModel):
    """A model that is not changed after its construction and accepts only its own fields, of their types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
