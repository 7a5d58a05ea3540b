"""The machine and the versions that a measurement depends on."""

import importlib
import importlib.util
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from judge.evidence import Host

SUITE_VERSION = "0.2.0"
RELEVANT = ("torch", "transformers", "tokenizers", "datasets", "evaluate", "accelerate", "numpy", "scipy", "pytest")


def describe_host(*, measured: bool = False) -> Host:
    """Processor, cores this process may use, memory in GiB, and the GPU if torch is loaded and sees one.

    With `measured` torch is loaded: models were run, perhaps by another process than this one.
    """
    if measured and importlib.util.find_spec("torch"):
        importlib.import_module("torch")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu, driver = _gpu()
    return Host(cpu=_processor(), cores=cores, gpu=gpu, driver=driver, memory=_memory())


def versions() -> dict[str, str]:
    """Installed versions of what changes a result, without importing any of it."""
    found = {"python": platform.python_version()}
    for name in RELEVANT:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit(folder: Path) -> str | None:
    """The commit that a checkout is at, with `+changes` where tracked files differ; None outside git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _gpu() -> tuple[str | None, str | None]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None, None
    return torch.cuda.get_device_name(0), f"CUDA {torch.version.cuda}"
