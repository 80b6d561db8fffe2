"""What a variant costs, counted without data."""

import pytest

from bench.configuration import resolve
from bench.system.errors import RequestError
from bench.training.cost import cost
from variants.base import parameter_count


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({"dataset": "mnist-5k"}, (1, 28, 28)),
        ({"dataset": "mnist-5k", "channels": 3}, (3, 28, 28)),
        ({"dataset": "stacked-mnist"}, (3, 32, 32)),
        ({"dataset": "grid-25"}, (2,)),
        ({"dataset": "folder:/no/such/folder"}, (3, 28, 28)),
    ],
)
def test_networks_are_counted_at_the_shape_of_the_samples(
    given: dict[str, object], shape: tuple[int, ...]
) -> None:
    configuration = resolve({"variant": "began"} | given)
    counted = cost(configuration)
    variant = configuration.variant(configuration.hyperparameters, shape)
    assert counted.parameters == {
        "generator": parameter_count(variant.generator),
        "discriminator": parameter_count(variant.discriminator),
    }
    assert counted.all_parameters == parameter_count(variant)
    assert counted.step_operations > 0
    assert {"loss_real", "k", "M"} <= set(counted.scalars)


def test_a_size_that_the_data_set_has_not_is_refused() -> None:
    with pytest.raises(RequestError, match="holds points"):
        cost(resolve({"variant": "began", "dataset": "ring-8", "preset": "quick"}))
