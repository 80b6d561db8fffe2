"""Where samples that `bench sample` wrote come from; travels with them."""

from pydantic import BaseModel, ConfigDict, ValidationError

FILE = "samples.json"  # its name in a folder of samples
ARRAY = "origin"  # its name in an .npz file


class SampleOrigin(BaseModel):
    """The run and the draw that samples come from. They are in the order in which they were drawn.

    Attributes
    ----------
    producer : str
        This package and its version.
    run, run_id, variant, dataset : str
        Names of run, variant and data set; id of the run.
    step : int
        Step of the checkpoint.
    seed : int
        Seed of the latents.
    count : int
        Number of samples.
    classes : tuple of str
        Names of the classes of the labels, by number; empty for samples without labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    producer: str
    run: str
    run_id: str
    variant: str
    dataset: str
    step: int
    seed: int
    count: int
    classes: tuple[str, ...] = ()


def origin_in(text: str | bytes) -> SampleOrigin | None:
    """Return the origin that a text describes; None for a text of another kind."""
    try:
        return SampleOrigin.model_validate_json(text)
    except ValidationError:
        return None
