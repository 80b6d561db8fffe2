"""torch.compile for a variant's networks, and a way back where it cannot."""

import getpass
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.runs.environment import processor
from variants.base import Variant

CACHE = "TORCHINDUCTOR_CACHE_DIR"


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

    keep_kernels_apart()
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


def keep_kernels_apart() -> None:
    """Give compiled code a cache folder per kind of processor.

    torch's cache does not tell instruction sets apart: code that was compiled for AVX2 gives wrong numbers or
    a bus error where AVX-512 is used, and the reverse. A home or a temporary folder may be shared by hosts.
    """
    import torch

    user = Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")
    folder = Path(os.environ.get(CACHE) or user)
    model = hashlib.sha256(processor().encode()).hexdigest()[:8]
    kind = f"{torch.backends.cpu.get_cpu_capability().lower()}-{model}"
    if folder.name != kind:
        os.environ[CACHE] = str(folder / kind)


def leave_uncompiled(variant: Variant) -> None:
    """Take back what :func:`compile_networks` did."""
    for module in variant.compilable():
        module._compiled_call_impl = None
