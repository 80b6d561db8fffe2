"""The device and how exactly it computes."""

import os
from typing import TYPE_CHECKING

from bench.errors import RequestError

if TYPE_CHECKING:
    import torch


def prepare(device: str, threads: int) -> "torch.device":
    """Choose the device and make its arithmetic repeatable.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU where there is one.
    threads : int
        CPU threads; 0 leaves the number to torch.

    Returns
    -------
    torch.device

    Raises
    ------
    RequestError
        If ``cuda`` is asked for where there is none.

    Notes
    -----
    On a CPU every operation is deterministic: the same seed gives the same bits. On a GPU
    deterministic algorithms are taken where there are some.
    """
    # read by cuBLAS when it starts
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise RequestError("device: 'cuda' is not possible: torch finds no GPU here; allowed is auto or cpu")
    chosen = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    if threads:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=chosen.type != "cpu")
    return chosen
