"""The device and how exactly it computes."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.system.errors import RequestError
from bench.system.ranks import local_rank

if TYPE_CHECKING:
    import torch

    from bench.configuration import Harness

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's names of settings


def prepare(harness: "Harness") -> "torch.device":
    """Choose the device and make its arithmetic repeatable.

    Parameters
    ----------
    harness : Harness
        Its knobs device, threads, compute_dtype and tf32.

    Returns
    -------
    torch.device

    Raises
    ------
    RequestError
        If ``cuda`` is asked for where there is none, bfloat16 where the device has no instructions for it, or
        more threads than the machine is fit for.

    Notes
    -----
    On a CPU every operation is deterministic: the same seed gives the same bits. On a GPU
    deterministic algorithms are taken where there are some. All of it is the whole process's.
    """
    # read by cuBLAS when it starts
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    device = harness.device
    if device == "cuda" and not torch.cuda.is_available():
        raise RequestError("device: 'cuda' is not possible: torch finds no GPU here; allowed is auto or cpu")
    chosen = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    if chosen.type == "cuda":
        if local_rank() >= torch.cuda.device_count():
            raise RequestError(
                f"this host has {torch.cuda.device_count()} GPUs: start one process a GPU, or give device=cpu"
            )
        chosen = torch.device("cuda", local_rank())
        torch.cuda.reset_peak_memory_stats(chosen)
        torch.cuda.set_device(chosen)
    if harness.compute_dtype == "bfloat16" and not has_bfloat16(chosen):
        what = "CPU" if chosen.type == "cpu" else "GPU"
        raise RequestError(
            f"compute_dtype: 'bfloat16' is not possible: this {what} has no instructions for it; "
            "allowed is float32"
        )
    if harness.threads > most_threads():
        raise RequestError(
            f"threads: {harness.threads} is not possible on {os.cpu_count()} cores: "
            f"allowed is a whole number from 0 to {most_threads()}"
        )
    if harness.threads:
        torch.set_num_threads(harness.threads)
    # use_deterministic_algorithms would import the compiler, which takes as long as torch itself
    torch.set_deterministic_debug_mode("error" if chosen.type == "cpu" else "warn")
    # what is not yet written is not read here: filling it first costs a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = harness.tf32
    if chosen.type == "cpu":
        keep_freed_memory()
    return chosen


def most_threads() -> int:
    """The most CPU threads that are started: beyond the machine's means torch ends without a word."""
    return max(64, 4 * (os.cpu_count() or 1))


def has_bfloat16(device: "torch.device") -> bool:
    """Whether a device is fit for bfloat16: a GPU with instructions for it, a CPU by oneDNN's word.

    oneDNN also takes AVX-512 without such instructions for fit. Below that a CPU is 50 times slower.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def whole_float32() -> Iterator[None]:
    """Keep TF32, which training may allow, out of products and convolutions of float32."""
    import torch

    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.backends.cudnn.allow_tf32 = convolutions


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next request, where it can be told to.

    By default it hands large blocks back to the system, which clears them, page by page, when the next
    step asks for them again: up to a fifth of a step.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if tell:
        tell(M_MMAP_MAX, 0)
        tell(M_TRIM_THRESHOLD, 2**31 - 1)
