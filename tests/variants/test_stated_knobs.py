"""Knobs as the text of modules states them."""

from pathlib import Path

from variants.stated_knobs import StatedKnob, stated_knobs

MODULE = """
import no_such_package
Shape = Literal["round", "square"]
class Hyperparameters(Knobs):
    shape: Shape = knob("round", "the shape", unit="")
    count: Literal[1, 3] | None = knob(None, "how many")
    is_odd: bool = knob(False, TEXT)
    width: int | None = knob(None, "how wide", low=1)
    plain: int = 3
    made: int = other(3, "no knob")
"""
FURTHER = """
class Other(Knobs):
    shape: Literal["round", "flat"] = knob("flat", "another shape")
"""


def test_names_meanings_and_choices_are_read_without_importing(tmp_path: Path) -> None:
    for name, text in (("a", MODULE), ("b", FURTHER), ("broken", "class (")):
        (tmp_path / f"{name}.py").write_text(text)
    files = [tmp_path / f"{name}.py" for name in ("a", "b", "broken", "absent")]
    assert stated_knobs(files) == {
        "count": StatedKnob("how many", ("1", "3", "none")),
        "is_odd": StatedKnob("", ("true", "false")),
        "shape": StatedKnob("the shape", ("round", "square", "flat")),
        "width": StatedKnob("how wide", ()),
    }
