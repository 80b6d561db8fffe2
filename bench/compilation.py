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

    # the fake half's encoder is passed backward twice: what its graph keeps cannot be given away
    torch._functorch.config.donated_buffer = False
    modules = variant.compilable()
    for module in modules:
        module.compile(mode=mode, dynamic=False)
    try:
        rehearse()
    except Exception as error:  # a compiler that is missing, or a graph that it does not take
        for module in modules:
            module._compiled_call_impl = None
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return None
