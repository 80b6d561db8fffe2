"""Paths of the machine do not leave it."""

import pytest

from bench.reporting.privacy import SHORTENED, command_line, without_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ann/x.yaml is broken", f"{SHORTENED}/x.yaml is broken"),
        ("run's data in '/srv/data/mnist' changed", f"run's data in '{SHORTENED}/mnist' changed"),
        ("folder:/home/ann/photos at 64 px", f"folder:{SHORTENED}/photos at 64 px"),
        (r"C:\Users\ann\photos", f"{SHORTENED}/photos"),
        ("https://arxiv.org/abs/1703.10717", "https://arxiv.org/abs/1703.10717"),
        ("L(G(z)) / L(x), and/or 3/4", "L(G(z)) / L(x), and/or 3/4"),
    ],
)
def test_absolute_paths_keep_their_last_part(text: str, expected: str) -> None:
    assert without_paths(text) == expected


def test_a_path_with_blanks_in_a_command_is_shortened_whole() -> None:
    line = command_line(["run", "--config", "/home/ann lee/my.yaml", "--set", "data_root=/d/two words"])
    assert line == f"bench run --config '{SHORTENED}/my.yaml' --set 'data_root={SHORTENED}/two words'"
    assert command_line(["run", "--dataset", "folder:/home/ann/photos"]).endswith(
        f"'folder:{SHORTENED}/photos'"
    )


def test_relative_paths_and_numbers_stay() -> None:
    assert command_line(["run", "--config", "my.yaml", "--set", "lr_g=2e-4"]) == (
        "bench run --config my.yaml --set lr_g=2e-4"
    )
