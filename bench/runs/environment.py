"""Facts about the machine and the code that a number depends on."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.system.store_address import redacted_word
from bench.system.version import __version__

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "torchvision", "torchmetrics", "mlflow", "optuna", "numpy", "pandas")


def facts() -> dict[str, Any]:
    """Describe the machine, the interpreter, the packages and the code's version.

    Returns
    -------
    dict
        Plain values by name; sizes in bytes.
    """
    import psutil
    import torch

    gpu = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": psutil.virtual_memory().total,
        "gpu": torch.cuda.get_device_name(0) if gpu else None,
        "gpu_memory": torch.cuda.get_device_properties(0).total_memory if gpu else None,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "packages": package_versions(),
        "commit": commit(),
    }


def kinds_of_arithmetic() -> dict[str, Any]:
    """Facts that decide the last bits of a number computed on this machine's processor."""
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
    """The most memory that was held at any time, in bytes.

    Of a GPU's what torch reserved since the run began, else what this process held since it started: an
    earlier run of the same process counts too.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_reserved(device)
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would tell of the process that this one was forked from, too
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    import psutil

    # where the system keeps no mark of it
    return int(psutil.Process().memory_info().rss)


def command() -> list[str]:
    """The words after the program's name, as they may be recorded: without secrets of addresses."""
    return [redacted_word(word) for word in sys.argv[1:]]


def package_versions() -> dict[str, str | None]:
    """Installed versions of the packages that numbers depend on, without importing them."""
    versions: dict[str, str | None] = {"began-bench": __version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def processor() -> str:
    """The processor's name, as well as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the project's checkout, with ``+changes`` where files differ; else ``unknown``."""
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
