"""Choice of the device and settings for reproducible arithmetic."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.system.errors import RequestError
from bench.system.ranks import local_rank

if TYPE_CHECKING:
    import torch

    from bench.configuration import Harness

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # settings of glibc's mallopt


def require_gpu(device: str) -> None:
    """Raise RequestError if the device is ``cuda`` and there is no GPU; needs torch only where one may be.

    Commands ask before anything else, so that a refusal does not wait for imports and data.
    """
    if device != "cuda":
        return
    if _has_gpu_driver():
        import torch

        if torch.cuda.is_available():
            return
    raise RequestError("device: 'cuda' is not possible: torch finds no GPU here; allowed is auto or cpu")


def _has_gpu_driver() -> bool:
    """Return whether a GPU's driver is installed: NVIDIA's library or AMD's device; True if unknown."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def prepare(harness: "Harness") -> "torch.device":
    """Choose the device and make its arithmetic reproducible.

    Parameters
    ----------
    harness : Harness
        The knobs device, threads, compute_dtype and tf32 are used.

    Returns
    -------
    torch.device

    Raises
    ------
    RequestError
        If there is no GPU for ``cuda``, if the device has no instructions for bfloat16, or if there are too
        many threads for the machine.

    Notes
    -----
    On a CPU every operation is deterministic: the same seed gives the same bits. On a GPU deterministic
    algorithms are used where they exist. The settings apply to the whole process.
    """
    # cuBLAS reads the variable when it is initialised
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    require_gpu(harness.device)
    import torch

    chosen = torch.device("cuda" if harness.device != "cpu" and torch.cuda.is_available() else "cpu")
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
    # uninitialised memory is never read, so filling it is skipped: it costs a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = harness.tf32
    if chosen.type == "cpu":
        keep_freed_memory()
    return chosen


def most_threads() -> int:
    """Return the maximum number of CPU threads; with far too many, torch ends without a message."""
    return max(64, 4 * (os.cpu_count() or 1))


def has_bfloat16(device: "torch.device") -> bool:
    """Return whether a device supports bfloat16, as torch reports for GPUs and oneDNN for CPUs.

    oneDNN also supports AVX-512 without bfloat16 instructions. Other CPUs are 50 times slower.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def whole_float32() -> Iterator[None]:
    """Disable TF32, which training may use, in float32 products and convolutions."""
    import torch

    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.backends.cudnn.allow_tf32 = convolutions


def keep_freed_memory() -> None:
    """Configure the C library to keep freed memory for later requests, if glibc is used.

    By default glibc returns large blocks to the system, which clears them page by page when the next step
    requests them again. This takes up to a fifth of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
