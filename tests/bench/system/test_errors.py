"""Errors with messages of one line."""

import pytest

from bench.system.errors import unknown

VARIANTS = ("began", "began-cs", "began-v3", "wgan-gp")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("began-c", "began-cs"),
        # a part that only one name has
        ("cs", "began-cs"),
        ("v3", "began-v3"),
        ("gp", "wgan-gp"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(given: str, meant: str) -> None:
    assert str(unknown("variant", given, VARIANTS)) == (
        f"unknown variant {given!r}: allowed are {', '.join(VARIANTS)}; did you mean {meant!r}?"
    )


@pytest.mark.parametrize("given", ["xyz", "-", ""])
def test_a_name_that_is_near_to_none_is_answered_with_all(given: str) -> None:
    assert str(unknown("variant", given, VARIANTS)).endswith(", ".join(VARIANTS))
