"""torch.compile for the networks of a variant, with a fallback to uncompiled networks."""

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
    """Compile the networks of a variant and run them once.

    Parameters
    ----------
    variant : Variant
        Its modules are compiled in place; their parameters do not change.
    mode : {"default", "reduce-overhead"}
        torch.compile's mode.
    rehearse : callable
        Runs the compiled networks once and restores everything.

    Returns
    -------
    str or None
        Reason in one line if compilation failed; the networks are then uncompiled.
    """
    import torch._functorch.config
    import torch._inductor.config

    keep_kernels_apart()
    torch._inductor.config.deterministic = True
    # two backward passes go through the encoder of fake samples, so its graph must keep its buffers
    torch._functorch.config.donated_buffer = False
    for module in variant.compilable():
        module.compile(mode=mode, dynamic=False)
    try:
        rehearse()
    except Exception as error:  # no compiler, or an unsupported graph
        leave_uncompiled(variant)
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return None


def keep_kernels_apart() -> None:
    """Set a cache folder for compiled code per kind of processor.

    torch's cache does not distinguish instruction sets: code compiled for AVX2 gives wrong numbers or a bus
    error with AVX-512, and vice versa. Hosts may share a home or a temporary folder.
    """
    import torch

    user = Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")
    folder = Path(os.environ.get(CACHE) or user)
    model = hashlib.sha256(processor().encode()).hexdigest()[:8]
    kind = f"{torch.backends.cpu.get_cpu_capability().lower()}-{model}"
    if folder.name != kind:
        os.environ[CACHE] = str(folder / kind)


def leave_uncompiled(variant: Variant) -> None:
    """Undo :func:`compile_networks`."""
    for module in variant.compilable():
        module._compiled_call_impl = None
