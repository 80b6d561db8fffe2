"""What a variant costs, counted without data."""

import pytest
import torch
from torch import Tensor

from bench.configuration import Configuration, resolve
from bench.system.errors import RequestError
from bench.training.cost import MetaNoise, OperationCounter, cost
from variants.base import Batch, Phase, Scalars, parameter_count
from variants.families.two_player import TwoPlayer
from variants.scalars import TrainingScalar


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({"dataset": "mnist-5k"}, (1, 28, 28)),
        ({"dataset": "mnist-5k", "channels": 3}, (3, 28, 28)),
        ({"dataset": "stacked-mnist"}, (3, 32, 32)),
        ({"dataset": "grid-25"}, (2,)),
        ({"dataset": "folder:/no/such/folder"}, (3, 32, 32)),
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


class Critics(TwoPlayer):
    """Seven steps of the critic in the first step, one in all others; it declares a scalar of later steps."""

    name, title, source = "critics", "critics", "a test"
    scalars = (*TwoPlayer.scalars, TrainingScalar("of later steps", "a number"))

    def discriminator_steps(self, step: int) -> int:
        return 7 if step == 1 else 1

    def discriminator_loss(self, real: Tensor, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return (self.discriminator(fake) - self.discriminator(real)).mean()

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        return -self.discriminator(fake).mean()


def of(kind: type[TwoPlayer]) -> Configuration:
    return Configuration(kind, "none", {"dataset": "mnist-5k", "steps": 10, "batch_size": 4, "filters": 4})


def test_the_operations_are_those_of_the_first_step_each_repetition_counted() -> None:
    configuration = of(Critics)
    with torch.device("meta"):
        variant = Critics(configuration.hyperparameters, (1, 28, 28))
        batch = Batch(torch.zeros(4, 1, 28, 28), MetaNoise())
        with OperationCounter() as counter:
            for phase in variant.phases():
                phase.accumulate_gradients(batch)
    counted = cost(configuration)
    assert counted.step_operations == counter.total > 0
    assert counted.scalars == ("loss_d", "loss_g", "of later steps")


class Reading(Critics):
    """Its last phase reads a value of a tensor."""

    name = "reading"

    def phases(self) -> tuple[Phase, ...]:
        return (*super().phases(), Phase((), self.read, new_real_batch=False))

    def read(self, batch: Batch) -> Scalars:
        return {"mean": batch.real.mean()} if batch.real.sum().item() > 0 else {}


def test_a_step_that_reads_values_has_parameters_but_no_count_of_operations() -> None:
    counted = cost(of(Reading))
    assert counted.step_operations is None
    assert counted.parameters == cost(of(Critics)).parameters
    assert {"loss_d", "loss_g"} <= set(counted.scalars)


class Failing(Critics):
    """A fault of its own is none of missing values."""

    name = "failing"

    def generator_loss(self, fake: Tensor, latent: Tensor, batch: Batch) -> Tensor:
        raise RuntimeError("a fault")


def test_an_error_of_a_variant_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="^a fault$"):
        cost(of(Failing))
