"""What is set for the whole process before it computes."""

import os
import resource
from pathlib import Path

import pytest
import torch

from bench.configuration import Harness
from bench.system.errors import RequestError
from bench.training.device import has_bfloat16, prepare, whole_float32

CPU = torch.device("cpu")


def test_arithmetic_is_repeatable_and_nothing_is_filled_in_vain() -> None:
    assert prepare(Harness(device="cpu", steps=1)) == CPU
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory


@pytest.mark.parametrize("wanted", [False, True])
def test_tf32_is_what_was_asked_for(wanted: bool) -> None:
    prepare(Harness(device="cpu", steps=1, tf32=wanted))
    assert torch.backends.cuda.matmul.allow_tf32 is wanted
    assert torch.backends.cudnn.allow_tf32 is wanted


def test_what_is_judged_is_whole_float32_whatever_training_may() -> None:
    prepare(Harness(device="cpu", steps=1, tf32=True))
    with whole_float32():
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the system does not tell its flags")
def test_bfloat16_needs_instructions_and_is_refused_without() -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    # oneDNN needs AVX-512 and uses none where it is limited to AVX2
    limited = os.environ.get("ONEDNN_MAX_CPU_ISA") == "AVX2"
    present = bool(flags & {"avx512_bf16", "amx_bf16", "avx512bw", "bf16"})
    assert has_bfloat16(CPU) == (present and not limited)
    harness = Harness(device="cpu", steps=1, compute_dtype="bfloat16")
    if has_bfloat16(CPU):
        assert prepare(harness) == CPU
    else:
        with pytest.raises(RequestError, match="compute_dtype.*allowed is float32"):
            prepare(harness)


def test_freed_memory_is_used_again_without_the_system() -> None:
    prepare(Harness(device="cpu", steps=1))
    size = 16 << 20

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(size, dtype=torch.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages = size // resource.getpagesize()
    # the first ones find their place
    assert sorted(faults() for _ in range(20))[10] < pages / 100
