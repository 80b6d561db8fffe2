"""How a variant describes the scalars that its training steps record.

The description is data. The harness draws, compares, selects and warns by it, and knows no scalar by name.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field


@dataclass(frozen=True)
class Panel:
    """A panel of a run's trajectories; scalars with equal panels share one.

    Attributes
    ----------
    label : str
        Label of the axis.
    scale : {"linear", "log"}
        Scale of the axis; "log" for positive values that fall by orders of magnitude.
    floor : float or None
        Lower end of the axis; None for the values' own.
    """

    label: str
    scale: Literal["linear", "log"] = "linear"
    floor: float | None = None


@dataclass(frozen=True)
class Rise:
    """Alarm: the mean over `window` steps is above `factor` times its lowest value so far.

    Attributes
    ----------
    kind : str
        Name of the alarm in records, such as ``loss-rising``.
    factor : float
        Above 1; the scalar is positive.
    window : int
        In steps that record the scalar.
    """

    kind: str
    factor: float
    window: int = 100
    rule: Literal["rise"] = "rise"


@dataclass(frozen=True)
class Drop:
    """Alarm: the mean over `window` steps is below `factor` times its highest value of the last steps.

    Attributes
    ----------
    kind : str
        Name of the alarm in records.
    factor : float
        Between 0 and 1; the scalar is not negative.
    least : float
        The highest value has to be at least this.
    memory : int
        Steps back to which the highest value may lie: a slow descent is none.
    start : int
        First steps, which do not count.
    window : int
        In steps that record the scalar.
    """

    kind: str
    factor: float
    least: float = 0.0
    memory: int = 1000
    start: int = 0
    window: int = 100
    rule: Literal["drop"] = "drop"


@dataclass(frozen=True)
class Stuck:
    """Alarm ``NAME-at-VALUE``: the scalar is exactly `value` for `steps` steps in a row.

    Attributes
    ----------
    value : float
        The bound at which the scalar is stuck.
    steps : int
        Steps in a row, of those that record the scalar.
    """

    value: float
    steps: int
    rule: Literal["stuck"] = "stuck"


AlarmRule = Annotated[Rise | Drop | Stuck, Field(discriminator="rule")]


@dataclass(frozen=True)
class SameKnob:
    """A knob on which a scalar's scale depends: its values are comparable only where the knob is equal.

    Attributes
    ----------
    knob : str
        Name of the knob.
    when_knob : str
        Another knob by which the dependence is limited; empty for none.
    when_values : tuple of str
        The values of that other knob with which the scale depends on `knob`.
    """

    knob: str
    when_knob: str = ""
    when_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingScalar:
    """A number that every training step records, or some steps do.

    Attributes
    ----------
    name : str
        Name in the record, in MLflow and in tables.
    title : str
        Name for readers, such as "convergence measure".
    better : {"lower", "higher"} or None
        Direction of better values; None where neither end is better.
    panel : Panel or None
        Where the scalar is drawn; None for nowhere. Tables, and figures over several runs, show the scalars
        with a panel that no other scalar of the variant shares.
    selects : bool
        Whether checkpoints are selected by the scalar's mean since the checkpoint before (``best-NAME``), and
        tables show that mean; needs `better`.
    steers : bool
        Whether the learning-rate rule ``halve_on_stall`` follows the scalar; lower values are better then. At
        most one scalar of a variant.
    in_progress : bool
        Whether the progress bar shows the scalar.
    depends_on : tuple of SameKnob
        Knobs that the scalar's scale depends on.
    alarms : tuple of AlarmRule
        What is reported during training.
    stuck_at : tuple of float
        Values at which the scalar must not stand throughout the last part of a run: the run's health is
        ``NAME-stuck-VALUE`` then.
    """

    name: str
    title: str
    better: Literal["lower", "higher"] | None = None
    panel: Panel | None = None
    selects: bool = False
    steers: bool = False
    in_progress: bool = False
    depends_on: tuple[SameKnob, ...] = ()
    alarms: tuple[AlarmRule, ...] = ()
    stuck_at: tuple[float, ...] = ()
