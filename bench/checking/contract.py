"""Checks that train nothing: what is declared, latents, samples, gradients and scalars."""

import copy

import torch
from torch import Tensor

from bench.checking.comparison import first_difference, same
from bench.checking.report import CheckFailed, NotApplicable
from bench.checking.subject import BATCH, CPU, SEED, Subject
from bench.configuration import Configuration, merge, preset_layers, presets_of
from bench.system.errors import RequestError
from bench.training.step import ComputeOptions, TrainingStep
from variants.base import Variant
from variants.noise import Noise

MOST = 10.0  # largest absolute value of a sample of an untrained generator without a bound
NOT_SCALARS = ("step", "event")  # names that a line of a record has anyway


def description(subject: Subject) -> None:
    """Name, title, source and docstring are given, scalars and presets are consistent."""
    kind = subject.kind
    for name in ("name", "title", "source", "__doc__"):
        if not (getattr(kind, name, None) or "").strip():
            raise CheckFailed(f"{name} is empty: give a text")
    if len(kind.short_name) > 8 or kind.short_name != "".join(kind.short_name.split()):
        raise CheckFailed(f"short_name {kind.short_name!r}: at most eight characters, no spaces")
    declared = [scalar.name for scalar in kind.scalars]
    if twice := [name for name in declared if declared.count(name) > 1]:
        raise CheckFailed(f"scalar {twice[0]} is declared twice")
    for scalar in kind.scalars:
        if scalar.selects and scalar.better is None:
            raise CheckFailed(f"scalar {scalar.name} selects checkpoints: say which values are better")
        if scalar.steers and scalar.better != "lower":
            raise CheckFailed(f"scalar {scalar.name} steers learning rates: its better values must be lower")
    if len(steering := [scalar.name for scalar in kind.scalars if scalar.steers]) > 1:
        raise CheckFailed(f"scalars {', '.join(steering)} steer learning rates: at most one may")
    try:
        for preset in presets_of(kind):
            Configuration(kind, preset, merge(preset_layers(kind, preset)))
    except RequestError as error:
        raise CheckFailed(str(error)) from None


def parameters(subject: Subject) -> None:
    """Every trainable parameter is in exactly one of the networks, and every network has a rate."""
    variant = subject.build()
    networks = variant.networks()
    if "generator" not in networks:
        raise CheckFailed(f"no network is named 'generator': there are {', '.join(networks)}")
    owners: dict[int, str] = {}
    for name, network in networks.items():
        if network.learning_rate not in type(variant.hyperparameters).model_fields:
            raise CheckFailed(f"the rate {network.learning_rate!r} of {name} is no hyperparameter")
        found = variant.trainable_parameters(name)
        if not found:
            raise CheckFailed(f"network {name} has no trainable parameter")
        for parameter in found:
            if other := owners.get(id(parameter)):
                raise CheckFailed(f"{_name(variant, parameter)} is in two networks: {other} and {name}")
            owners[id(parameter)] = name
    for name, parameter in variant.named_parameters():
        if parameter.requires_grad and id(parameter) not in owners:
            raise CheckFailed(f"{name} is in no network of networks(): it is never trained")


def initial_weights(subject: Subject) -> None:
    """Initial weights depend on torch's random state, and on nothing else."""
    one, again, other = (subject.build(seed).state_dict() for seed in (3, 3, 4))
    if difference := first_difference(one, again):
        raise CheckFailed(f"{difference} differs between two builds from the same random state")
    if first_difference(one, other) is None:
        raise CheckFailed("the weights are the same for another random state")


def latents(subject: Subject) -> None:
    """Latents are float32 (count, width), and depend on the seed, the step and the purpose."""
    variant = subject.build()

    def draw(seed: int = SEED, step: int = 1, purpose: str = "latent", count: int = BATCH) -> Tensor:
        return variant.draw_latent(Noise(seed, step, CPU), count, purpose)

    latent = draw()
    if latent.dim() != 2 or latent.dtype != torch.float32 or len(latent) != BATCH:
        raise CheckFailed(f"draw_latent gave {_shape(latent)} for {BATCH} latents")
    if draw(count=3).shape != (3, latent.shape[1]):
        raise CheckFailed(f"draw_latent gave {_shape(draw(count=3))} for 3 latents")
    if not torch.equal(latent, draw()):
        raise CheckFailed("two draws with the same seed differ: draw from `noise` only")
    others = {"seed": draw(seed=SEED + 1), "step": draw(step=2), "purpose": draw(purpose="other")}
    for what, other in others.items():
        if torch.equal(latent, other):
            raise CheckFailed(f"the latents are the same for another {what}: draw from `noise` for `purpose`")


def samples(subject: Subject) -> None:
    """Samples have the shape of the data, are float32 and finite, and lie around 0 as the data do."""
    variant = subject.build()
    with torch.no_grad():
        made = variant.generator(variant.draw_latent(Noise(SEED, 1, CPU), BATCH))
        one = variant.eval().generator(variant.draw_latent(Noise(SEED, 1, CPU), 1))
    for count, found in ((BATCH, made), (1, one)):
        if found.shape != (count, *subject.sample_shape) or found.dtype != torch.float32:
            wanted = f"float32 {(count, *subject.sample_shape)}"
            raise CheckFailed(f"the generator gave {_shape(found)}, needed is {wanted}")
    if not made.isfinite().all():
        raise CheckFailed("a sample is not finite")
    low, high = made.min().item(), made.max().item()
    if low >= 0 or high <= 0 or max(-low, high) > MOST:
        raise CheckFailed(f"samples are from {low:.3g} to {high:.3g}, data from -1 to 1: end with tanh")


def codes(subject: Subject) -> None:
    """Codes are float32 (B, width), and reconstructions have the shape of the samples."""
    variant = subject.build().eval()
    real = subject.batches().get(0)
    with torch.no_grad():
        code, reconstructed = variant.encode(real), variant.reconstruct(real)
        if code is None and reconstructed is None:
            raise NotApplicable("no encoder")
        if code is not None and (code.dim() != 2 or len(code) != BATCH or code.dtype != torch.float32):
            raise CheckFailed(f"encode gave {_shape(code)} for {BATCH} samples")
        decoded = None if code is None else variant.decode(code)
    for name, made in (("decode", decoded), ("reconstruct", reconstructed)):
        if made is not None and (made.shape != real.shape or made.dtype != torch.float32):
            raise CheckFailed(f"{name} gave {_shape(made)} for samples of {_shape(real)}")


def gradients(subject: Subject) -> None:
    """Each phase leaves gradients on the networks that it updates, and on no others."""
    variant = subject.build()
    names = {id(parameter): name for name, parameter in variant.named_parameters()}
    owned = {
        network: {names[id(each)] for each in variant.trainable_parameters(network)}
        for network in variant.networks()
    }
    reached: set[str] = set()
    for outcome in subject.phase_outcomes:
        updates = outcome.phase.updates
        if unknown := [name for name in updates if name not in owned]:
            raise CheckFailed(f"{outcome.place} updates {unknown[0]!r}, which is no network")
        allowed = set().union(*(owned[name] for name in updates))
        if strays := sorted(outcome.with_gradient - allowed):
            raise CheckFailed(
                f"{outcome.place} updates {', '.join(updates)} and leaves a gradient on {strays[0]}: "
                "detach, or give backward() its inputs="
            )
        for name, norm in outcome.norms.items():
            if not owned[name] & outcome.with_gradient or norm == 0:
                raise CheckFailed(f"{outcome.place} updates {name} and leaves no gradient on it")
            if not torch.tensor(norm).isfinite():
                raise CheckFailed(f"{outcome.place} leaves a gradient on {name} that is not finite")
        reached |= outcome.with_gradient
    if missed := sorted(set().union(*owned.values()) - reached):
        raise CheckFailed(f"no phase leaves a gradient on {missed[0]}: leave it out of networks()")


def scalars(subject: Subject) -> None:
    """Scalars are finite 0-d float32 tensors without a graph, under names of their own."""
    variant = subject.build()
    step = TrainingStep(
        variant, subject.batches(), subject.hyperparameters, 1, SEED, CPU, ComputeOptions()
    ).run(1)
    found = [(outcome.place, outcome.scalars) for outcome in subject.phase_outcomes] + [("step 1", step)]
    taken = {*NOT_SCALARS, *(network.learning_rate for network in variant.networks().values())}
    for place, values in found:
        for name, value in values.items():
            if name in taken:
                raise CheckFailed(f"{place} gives a scalar {name}, a name that the record has for itself")
            if not isinstance(value, Tensor) or value.shape != () or value.dtype != torch.float32:
                given = _shape(value) if isinstance(value, Tensor) else f"a {type(value).__name__}"
                raise CheckFailed(f"{name} of {place} is {given}, needed is float32 ()")
            if value.requires_grad:
                raise CheckFailed(f"{name} of {place} has a graph: return {name}.detach()")
            if not value.isfinite():
                raise CheckFailed(f"{name} of {place} is {value.item()}")


def state(subject: Subject) -> None:
    """state_dict() holds all that the networks compute with: loaded elsewhere, samples are the same."""
    # copies in eval mode, since batch norm would change what later checks compare
    variant, other = copy.deepcopy(subject.trained.variant).eval(), subject.build(seed=99).eval()
    other.load_state_dict(variant.state_dict())
    if difference := first_difference(variant.state_dict(), other.state_dict()):
        raise CheckFailed(f"{difference} is not what was loaded")
    with torch.no_grad():
        latent = variant.draw_latent(Noise(SEED, 1, CPU), BATCH)
        pairs = zip(
            (variant.generator(latent), _judged(variant, subject)),
            (other.generator(latent), _judged(other, subject)),
            strict=True,
        )
        for what, (one, another) in zip(("samples", "reconstructions"), pairs, strict=True):
            if not same(one, another):
                raise CheckFailed(f"{what} differ after loading: a tensor is neither parameter nor buffer")


def conditional(subject: Subject) -> None:
    """Latents end with a one-hot class, and samples of another class differ."""
    if not subject.kind.conditional:
        raise NotApplicable("not conditional")
    variant, classes = copy.deepcopy(subject.trained.variant).eval(), subject.classes
    latent = variant.draw_latent(Noise(SEED, 1, CPU), 64)
    one_hot = latent[:, -classes:]
    if not torch.equal(one_hot, torch.nn.functional.one_hot(one_hot.argmax(1), classes).float()):
        raise CheckFailed(f"the last {classes} columns of latents are no one-hot classes")
    if (missing := classes - len(one_hot.argmax(1).unique())) > 0:
        raise CheckFailed(f"{missing} of {classes} classes are not drawn among 64 latents")
    with torch.no_grad():
        made = [variant.generator(variant.with_class(latent, torch.full((64,), label))) for label in range(2)]
    if torch.equal(*made):
        raise CheckFailed("samples of class 0 and of class 1 are the same for the same z")


def latent_codes(subject: Subject) -> None:
    """Declared codes are columns of the latents: one-hot categories, or values of a range."""
    variant = subject.build()
    codes = variant.latent_codes()
    if not codes:
        raise NotApplicable("no codes")
    latent = variant.draw_latent(Noise(SEED, 1, CPU), 64 * max(code.width for code in codes))
    taken = set(range(latent.shape[1] - subject.classes, latent.shape[1]))
    if twice := [code.name for code in codes if [each.name for each in codes].count(code.name) > 1]:
        raise CheckFailed(f"two codes are named {twice[0]}")
    for code in codes:
        columns = range(code.column, code.column + code.width)
        if not code.name or code.name != "-".join(code.name.lower().split()):
            raise CheckFailed(f"code {code.name!r}: write lower-case words joined by hyphens")
        if not (0 <= columns.start < columns.stop <= latent.shape[1]) or taken & set(columns):
            raise CheckFailed(
                f"code {code.name} has the columns {columns.start} to {columns.stop - 1} of latents of "
                f"{latent.shape[1]}, which are not there or have another meaning"
            )
        taken |= set(columns)
        values = latent[:, code.columns]
        if code.kind == "categorical":
            one_hot = torch.nn.functional.one_hot(values.argmax(1), code.width).float()
            if not torch.equal(values, one_hot) or (values.sum(0) == 0).any():
                raise CheckFailed(f"the columns of code {code.name} are not one-hot draws of all categories")
        elif code.width != 1 or values.min() < code.low or values.max() > code.high:
            raise CheckFailed(f"code {code.name} is no column with values {code.low:g} to {code.high:g}")


def _judged(variant: Variant, subject: Subject) -> Tensor | None:
    return variant.reconstruct(subject.batches().get(0))


def _name(variant: Variant, parameter: Tensor) -> str:
    return next(name for name, each in variant.named_parameters() if each is parameter)


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


CHECKS = (
    description,
    parameters,
    initial_weights,
    latents,
    samples,
    codes,
    gradients,
    scalars,
    state,
    conditional,
    latent_codes,
)
