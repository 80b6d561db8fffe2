"""Packing: the discriminator scores several samples at once (Lin et al. 2018, PacGAN)."""

from torch import Tensor

from variants.knobs import Knobs, knob


class Packing(Knobs):
    """Samples that the discriminator sees at once."""

    packing: int = knob(
        1,
        "samples that D scores together, joined along channels or coordinates (PacGAN)",
        unit="samples",
        low=1,
        high=64,
        neutral=(1,),
    )


def pack(samples: Tensor, count: int) -> Tensor:
    """Join every `count` samples (B, C, ...) in a row to one pack: (B / count, count C, ...).

    Raises
    ------
    ValueError
        If `count` does not divide the number of samples.
    """
    if count == 1:
        return samples
    if len(samples) % count:
        raise ValueError(
            f"{len(samples)} samples are no whole packs of {count}: the size of a batch, and of a "
            "micro-batch, must be a multiple of packing"
        )
    return samples.reshape(len(samples) // count, count * samples.shape[1], *samples.shape[2:])
