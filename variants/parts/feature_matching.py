"""Feature matching: the generator matches the mean features of the data (Salimans et al. 2016)."""

from torch import Tensor

from variants.knobs import Knobs, knob


class FeatureMatching(Knobs):
    """Whether feature matching replaces the generator's own loss."""

    feature_matching: bool = knob(
        False,
        "G minimises the distance of mean features of D between real and fake samples, in place of its loss",
        neutral=(False,),
    )


def feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Return |E f(x) - E f(G(z))|^2 of features (B, width), 0-d (Salimans 2016, section 3.1)."""
    return (real.mean(dim=0) - fake.mean(dim=0)).square().sum()
