"""torch.compile for a variant's networks, and a way back where it cannot."""

from collections.abc import Callable

from variants.base import Variant


def compile_networks(variant: Variant, mode: str, rehearse: Callable[[], None]) -> str | None:
    """Compile the networks that a variant names, and try them.

    Parameters
    ----------
    variant : Variant
        Its modules are compiled in place; their parameters stay the same.
    mode : {"default", "reduce-overhead"}
        torch.compile's mode.
    rehearse : callable
        Computes with them once and leaves everything as it was.

    Returns
    -------
    str or None
        Why the networks are not compiled, in one line; they are as they were then.
    """
    import torch._functorch.config
    import torch._inductor.config

    torch._inductor.config.deterministic = True
    # the fake half's encoder is passed backward twice: what its graph keeps cannot be given away
    torch._functorch.config.donated_buffer = False
    for module in variant.compilable():
        module.compile(mode=mode, dynamic=False)
    try:
        rehearse()
    except Exception as error:  # a compiler that is missing, or a graph that it does not take
        leave_uncompiled(variant)
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return None


def leave_uncompiled(variant: Variant) -> None:
    """Take back what :func:`compile_networks` did."""
    for module in variant.compilable():
        module._compiled_call_impl = None
