"""Published results as data, for tables that compare them with ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table.

    Attributes
    ----------
    label : str
        Name in the paper.
    where : mapping
        Configuration keys, among them `variant`, with the value, or a tuple of values, that our runs of this
        row have.
    best : float
        Best value of the table's scalar; in Table 3 the "Optimal M Value".
    parameters : int
        "Number of Parameters".
    training_time : str
        "Training Time", as printed.
    mode_collapse : str
        "Mode Collapse Occurrence", as printed.
    knobs : mapping
        Configuration keys that the scale of the scalar may depend on, with the paper's values by their names
        in this project.
    """

    label: str
    where: Mapping[str, str | tuple[str, ...]]
    best: float
    parameters: int
    training_time: str
    mode_collapse: str
    knobs: Mapping[str, str | int]


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper.

    Attributes
    ----------
    name : str
        Value of ``--paper``.
    title, source : str
        Subject of the table, and the paper.
    scalar : str
        Name of the scalar whose best values the table has.
    dataset : str
        Name of the data set in this project.
    image_size, images : int
        Side in pixels, and number of training images.
    epochs : float
        Length of training, in passes over the images.
    hardware : str
        Hardware of the published training times.
    rows : tuple of PublishedRow
        Rows in the paper's order.
    notes : tuple of str
        Remarks on the published numbers.
    """

    name: str
    title: str
    source: str
    scalar: str
    dataset: str
    image_size: int
    images: int
    epochs: float
    hardware: str
    rows: tuple[PublishedRow, ...]
    notes: tuple[str, ...] = ()


TABLE_3 = PublishedTable(
    name="table3",
    title="BEGAN-CS and BEGAN v3 under two losses",
    source="Park, Huh, Kim 2020, Electronics 9, 688, Table 3",
    scalar="M",
    dataset="celeba",
    image_size=64,
    images=162_770,
    epochs=300,
    hardware="one Titan Xp",
    rows=(
        PublishedRow(
            "BEGAN-CS",
            MappingProxyType({"variant": "began-cs"}),
            best=1.50,
            parameters=20_629_320,
            training_time="9 days 1 h 45 min",
            mode_collapse="199 epochs",
            knobs=MappingProxyType({"norm": "frobenius", "batch_size": 128}),
        ),
        PublishedRow(
            "Proposed (L2 loss)",
            MappingProxyType({"variant": "began-v3", "norm": ("frobenius", "l2")}),
            best=1.12,
            parameters=10_331_144,
            training_time="8 days 7 h 05 min",
            mode_collapse="-",
            knobs=MappingProxyType({"norm": "frobenius", "batch_size": 128}),
        ),
        PublishedRow(
            "Proposed (L1 loss)",
            MappingProxyType({"variant": "began-v3", "norm": "l1"}),
            best=0.08,
            parameters=10_331_144,
            training_time="8 days 6 h 30 min",
            mode_collapse="-",
            knobs=MappingProxyType({"norm": "l1", "batch_size": 128}),
        ),
    ),
    notes=(
        "The paper's parameter counts include 2 variables that hold the learning rates.",
        "The paper's \"L2 loss\" is that of BEGAN-CS's program: norm frobenius here, whose M scales as "
        "1/sqrt(batch size). Norm l2 here is the mean squared error.",
        "M depends on the norm of the reconstruction error: values of M under different norms cannot be "
        "compared with each other, nor with the paper's where it does not say how it scales them.",
    ),
)

PUBLISHED_TABLES = {table.name: table for table in (TABLE_3,)}
