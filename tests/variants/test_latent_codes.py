"""Declared codes: their columns, the values of a sweep, and latents with another value."""

import pytest
import torch

from variants.latent_codes import LatentCode


def test_a_sweep_of_a_categorical_code_shows_each_category_once() -> None:
    code = LatentCode("category", "categorical", column=2, width=3)
    assert torch.equal(code.values(10), torch.eye(3))


def test_a_sweep_of_a_continuous_code_has_evenly_spaced_values_with_both_bounds() -> None:
    code = LatentCode("angle", "continuous", column=2, low=-2.0, high=4.0)
    assert code.values(4).tolist() == [[-2.0], [0.0], [2.0], [4.0]]


@pytest.mark.parametrize("value", [torch.tensor([0.0, 1.0]), torch.tensor([[0.0, 1.0]]).repeat(5, 1)])
def test_replacing_a_code_leaves_the_other_columns_and_the_given_latents(value: torch.Tensor) -> None:
    latents = torch.rand(5, 6)
    before = latents.clone()
    changed = LatentCode("category", "categorical", column=3, width=2).replaced_in(latents, value)
    assert torch.equal(latents, before)
    assert torch.equal(changed[:, :3], before[:, :3])
    assert torch.equal(changed[:, 5:], before[:, 5:])
    assert torch.equal(changed[:, 3:5], torch.tensor([0.0, 1.0]).expand(5, 2))
