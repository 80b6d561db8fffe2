"""Facts about the machine and the code that a number depends on."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from bench.runs.file_model import FileModel
from bench.system.json_values import JsonScalar
from bench.system.store_address import redacted_word
from bench.system.version import __version__
from variants.plugins import packages

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "torchvision", "torchmetrics", "mlflow", "optuna", "numpy", "pandas")


class Environment(FileModel):
    """The machine, the interpreter, the packages and the code's version.

    Attributes
    ----------
    python, system, processor : str
        Version of Python; names of the operating system and of the processor.
    cores : int or None
        Logical cores, where the system counts them.
    threads : int
        Threads of torch's operations.
    memory : int
        Bytes of the machine's memory.
    gpu : str or None
        Name of the GPU.
    gpu_memory : int or None
        Bytes of the GPU's memory.
    cpu_capability : str
        The kernels that torch chose for the processor.
    packages : mapping
        Versions of packages, those of plug-ins too; None for one that is not installed.
    commit : str
        Commit of the code, as :func:`commit` gives it.
    ranks : int
        Processes that train together.
    """

    python: str
    system: str
    processor: str
    cores: int | None
    threads: int
    memory: int
    gpu: str | None
    gpu_memory: int | None
    cpu_capability: str
    packages: Mapping[str, str | None]
    commit: str
    ranks: int = 1


def facts(ranks: int = 1) -> Environment:
    """Describe this machine, for `ranks` processes that train together."""
    import psutil
    import torch

    gpu = torch.cuda.is_available()
    return Environment(
        python=platform.python_version(),
        system=platform.platform(),
        processor=processor(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        memory=psutil.virtual_memory().total,
        gpu=torch.cuda.get_device_name(0) if gpu else None,
        gpu_memory=torch.cuda.get_device_properties(0).total_memory if gpu else None,
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        packages=package_versions() | packages(),
        commit=commit(),
        ranks=ranks,
    )


def kinds_of_arithmetic() -> dict[str, JsonScalar]:
    """Return the facts that decide the last bits of a number computed on this machine's processor."""
    import torch

    versions = package_versions()
    return {
        "processor": processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": versions["torch"],
        "numpy": versions["numpy"],
    }


def peak_memory(device: "torch.device") -> int:
    """Return the peak memory in bytes.

    Of a GPU, the memory that torch reserved since the run began. Else the memory of this process since its
    start, so an earlier run of the same process counts too.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_reserved(device)
    status = Path("/proc/self/status")
    if status.exists():
        # not getrusage, which counts the process that this one was forked from, too
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    import psutil

    # a system that records no peak
    return int(psutil.Process().memory_info().rss)


def command() -> list[str]:
    """Return the command's arguments, without the secrets that addresses may hold."""
    return [redacted_word(word) for word in sys.argv[1:]]


def package_versions() -> dict[str, str | None]:
    """Return the versions of the packages that numbers depend on, without importing them."""
    versions: dict[str, str | None] = {"began-bench": __version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def processor() -> str:
    """Return the processor's name, or its architecture where the system has no name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Return the checkout's commit, with ``+changes`` where files differ; ``unknown`` without a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "unknown"

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
