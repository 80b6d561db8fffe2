"""One-sided label smoothing: the discriminator's target for real samples is below 1."""

from variants.knobs import Knobs, Search, knob


class LabelSmoothing(Knobs):
    """Salimans et al. 2016, section 3.4: the target of fake samples stays 0."""

    label_smoothing: float = knob(
        0.0,
        "1 minus D's target for real samples (one-sided label smoothing)",
        low=0,
        high=0.5,
        search=Search(0.0, 0.3),
        neutral=(0.0,),
    )
