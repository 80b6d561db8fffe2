import os
import pickle
from pathlib import Path

import pytest
import torch

from bench.runs import checkpoint
from bench.system.errors import WorkError


def state() -> dict[str, object]:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    network(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return {"step": 7, "network": network.state_dict(), "optimizer": optimizer.state_dict(), "none": None}


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "step.safetensors"
    before = state()
    checkpoint.write(path, before)
    after = checkpoint.read(path)
    assert after["step"] == 7
    assert after["none"] is None
    for name, tensor in before["network"].items():
        assert after["network"][name].dtype == tensor.dtype
        assert torch.equal(after["network"][name], tensor)
    moments = before["optimizer"]["state"]
    assert list(after["optimizer"]["state"]) == list(moments)
    assert torch.equal(after["optimizer"]["state"][0]["exp_avg_sq"], moments[0]["exp_avg_sq"])
    assert after["optimizer"]["param_groups"][0]["lr"] == 0.1


def test_one_flipped_bit_anywhere_in_the_tensors_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "step.safetensors"
    checkpoint.write(path, state())
    content = bytearray(path.read_bytes())
    for place in (len(content) - 1, len(content) - 200):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(WorkError, match="damaged|cannot be read"):
            checkpoint.read(path)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "step.safetensors"
    checkpoint.write(path, state())
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    with pytest.raises(WorkError):
        checkpoint.read(path)


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    path = tmp_path / "step.safetensors"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WorkError):
        checkpoint.read(path)
    assert not (tmp_path / "executed").exists()


def test_a_failed_write_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "step.safetensors"
    checkpoint.write(path, {"step": 1})
    with pytest.raises(TypeError):
        checkpoint.write(path, {"step": object()})
    assert checkpoint.read(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["step.safetensors"]
