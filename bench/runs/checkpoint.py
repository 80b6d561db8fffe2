"""Checkpoints: tensors and plain values in one safetensors file that carries its own digest.

Nothing is unpickled on load. A file appears under its name only when it is whole and on the disk.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bench.runs.record import PlainMark
from bench.runs.run_folder import Origin
from bench.system.atomic_files import atomic_write
from bench.system.errors import WorkError
from bench.system.json_values import Json
from bench.system.os_errors import format_size

_TENSOR = "tensor"  # the key, in the tree of plain values, that holds the name of a tensor


class TrainingState(TypedDict):
    """Everything that the next training step depends on, and the seconds trained so far.

    `optimizers` and `averages` (moving averages of networks) are by the name of the network; `real_batches`
    counts those taken so far; `reads_progress` is whether a step so far depends on the length of training.
    """

    step: int
    seconds: float
    variant: dict[str, Tensor]
    optimizers: Mapping[str, dict[str, Any]]
    averages: Mapping[str, dict[str, Tensor]]
    real_batches: int
    reads_progress: bool


class SavedState(TrainingState):
    """The content of a checkpoint: a state, its run, the record before it, and its event in the record."""

    origin: dict[str, str]
    record: PlainMark
    event: dict[str, Json]


def write(path: Path, state: Mapping[str, object]) -> None:
    """Write a nested state of dicts, lists, tensors and plain values, atomically.

    Parameters
    ----------
    path : Path
        The file to make or replace.
    state : mapping
        The values. Keys of nested mappings may be strings or integers.

    Raises
    ------
    OSError
        If the file cannot be written, as on a full disk; the message says its size, and no file is left.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_strip(state, "", tensors), sort_keys=True)
    metadata = {"tree": tree, "sha256": _digest(tree, tensors)}
    content = save(tensors, metadata)
    try:
        with atomic_write(path, durable=True) as aside:
            aside.write_bytes(content)
    except OSError as error:
        size = format_size(len(content))
        raise OSError(error.errno, f"{error.strerror}; a checkpoint has {size}", str(path)) from error


def read(path: Path, origin: Origin | None = None) -> SavedState:
    """Return the state that :func:`write` wrote, on the CPU.

    Parameters
    ----------
    path : Path
        The file.
    origin : Origin, optional
        The run that the checkpoint must belong to.

    Raises
    ------
    WorkError
        If the file is missing, not a checkpoint, or of another run, or its content does not match its digest.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        tree, digest = metadata["tree"], metadata["sha256"]
    except (OSError, SafetensorError, KeyError) as error:
        raise WorkError(f"checkpoint {path} cannot be read: {error}") from None
    if _digest(tree, tensors) != digest:
        raise WorkError(f"checkpoint {path} is damaged: its content does not match its digest")
    state = cast(SavedState, _restore(json.loads(tree), tensors))
    if origin is not None and state.get("origin") != asdict(origin):
        raise WorkError(f"checkpoint {path} belongs to another run or to another configuration")
    return state


def _strip(value: object, path: str, tensors: dict[str, Tensor]) -> object:
    """Replace tensors by their names, and mappings by lists of pairs, since JSON knows no integer keys."""
    if isinstance(value, Tensor):
        # a copy: safetensors refuses tensors that share memory
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: path}
    if isinstance(value, Mapping):
        return {"pairs": [[key, _strip(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_strip(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
    return value


def _restore(value: object, tensors: dict[str, Tensor]) -> object:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        return {key: _restore(item, tensors) for key, item in value["pairs"]}
    if isinstance(value, list):
        return [_restore(item, tensors) for item in value]
    return value


def _digest(tree: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(tree.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
