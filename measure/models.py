"""Models to be timed: the real architectures, on a device, at a precision, with their inputs. torch comes late.

Weights are real where the files of the model are at hand; otherwise they are random, which changes no latency
(measured: 0.97 to 0.99 of the time with peaked attention or denormal inputs).
"""

import contextlib
import copy
import inspect
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.files import Mistake, first_line
from measure.downloads import Repository
from measure.modelfiles import weights_in
from measure.naming import parse_model
from measure.weights import load_weights, require_positions

AUTO = "AutoModelForSequenceClassification"
FP32_BYTES = 4
# Weights, a copy while they are loaded, and what a forward pass needs.
ROOM = 2.2
# What an example is cut to, in tokens.
LONGEST = 512


class NoRoom(Exception):
    """A model does not fit in memory; the message is one sentence."""


@dataclass(frozen=True)
class Timed:
    """A model that is ready to be timed: `run(length)` is one forward pass, batch and device fixed before."""

    run: Callable[[int], Any]
    weights: str
    parameters: int


def load(
    config: Any, folder: str | None, precision: str, device: str, attention: str | None = None, *, longest: int = 0
) -> tuple[Any, str]:
    """A model in evaluation mode with a head for one number, and where its weights come from; its head may be new.

    Args:
        config: a transformers configuration.
        folder: a folder whose safetensors are used if they are at hand, or None.
        precision: fp32 or bf16.
        device: cpu or cuda.
        attention: the attention implementation, sdpa or eager; None for the best that the family has.
        longest: tokens of the longest input that it will be run on.

    Raises:
        NoRoom: it does not fit in memory.
        Mistake: the folder holds weights that cannot be loaded or are another model's, or it reads fewer tokens.
    """
    import torch
    from safetensors import SafetensorError

    name = config.name_or_path or folder or f"a model of type {config.model_type}"
    # transformers writes the attention implementation into the configuration, and models must not share it.
    config = copy.deepcopy(config)
    config.num_labels = 1
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    try:
        if folder and weights_in(Path(folder)):
            model, _ = load_weights(AUTO, config, Path(folder), name, dtype=dtype, attention=attention)
            weights = "real"
        else:
            model = _random(config, dtype, attention, device)
            weights = "random: latency depends on the architecture, not on the values"
        require_positions(model, longest, name, f"and it is to be timed on {longest}")
        return model.eval().to(device), weights
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise NoRoom(f"the model does not fit in memory ({first_line(error)})") from None
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        raise NoRoom(f"the model does not fit in memory ({first_line(error)})") from None
    except (OSError, ValueError, SafetensorError) as error:
        what = f"the weights in {folder}" if folder else f"a model of type {config.model_type}"
        raise Mistake(f"{what} cannot be loaded ({first_line(error)}): check the folder.") from None


def _random(config: Any, dtype: Any, attention: str | None, device: str) -> Any:
    """A model without a file; NoRoom before memory is taken where it is too short."""
    import torch
    import transformers

    auto = getattr(transformers, AUTO)
    with torch.device("meta"):
        model = auto.from_config(config, dtype=dtype, attn_implementation=attention)
    check_room(sum(math.prod(p.shape) for p in model.parameters()) * dtype.itemsize, device)
    model = model.to_empty(device=device)
    _fill(model)
    return model


def weights_folder(model: str, revision: str | None, mirror: Path | None) -> str | None:
    """Where safetensors are at hand: the model's own folder, the mirror, the hub's cache. Nothing is downloaded."""
    found = parse_model(model)
    if found.folder:
        folders = [found.folder]
    else:
        folders = [mirror / found.id] if mirror else []
        with contextlib.suppress(Mistake):  # no id
            folders += filter(None, [Repository(found.id, revision or found.revision).cached()])
    return next((str(folder) for folder in folders if weights_in(folder)), None)


def timed(model: Any, weights: str, batch: int, lengths: Iterable[int], device: str) -> Timed:
    """Make the inputs of every length once, so that no pass pays for them."""
    import torch

    generator = torch.Generator().manual_seed(0)
    vocabulary = model.config.vocab_size
    low = min(1000, vocabulary // 2)
    inputs = {
        n: torch.randint(low, vocabulary, (batch, n), generator=generator).to(device) for n in sorted(set(lengths))
    }

    def run(length: int) -> Any:
        with torch.inference_mode():
            return model(input_ids=inputs[length]).logits

    return Timed(run, weights, sum(p.numel() for p in model.parameters()))


def longest_of(texts: Sequence[tuple[str, str]], tokenizer: Callable[..., Any]) -> int:
    """Tokens of the longest example, as `tokenized` cuts it."""
    first, second = zip(*texts, strict=True)
    return max(map(len, tokenizer(first, second, truncation=True, max_length=LONGEST)["input_ids"]))


def tokenized(
    model: Any,
    weights: str,
    tokenizer: Callable[..., Any],
    texts: Sequence[tuple[str, str]],
    device: str,
    spent: list[float],
) -> Timed:
    """A model whose pass includes tokenising and collating one example; `run` takes the example's index.

    Seconds spent before the forward pass are appended to `spent`, one number for each pass.
    """
    import torch

    def run(index: int) -> Any:
        start = time.perf_counter()
        batch = tokenizer(*texts[index], truncation=True, max_length=LONGEST, return_tensors="pt")
        batch = {name: tensor.to(device) for name, tensor in batch.items() if name in accepted}
        spent.append(time.perf_counter() - start)
        with torch.inference_mode():
            return model(**batch).logits

    accepted = set(inspect.signature(model.forward).parameters)
    return Timed(run, weights, sum(p.numel() for p in model.parameters()))


def gpu_neighbours(own: int, listing: str | None = None) -> list[str]:
    """Other processes that compute on the GPU, as `process 123`; `listing` stands in for nvidia-smi's answer."""
    if listing is None:
        command = ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"]
        try:
            listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        except (OSError, subprocess.SubprocessError):
            return []
    return [f"process {line.strip()}" for line in listing.splitlines() if line.strip().isdigit() and int(line) != own]


def check_room(needed: float, device: str) -> None:
    """Refuse a model before it is made if memory is too short for it. `needed` is the weights' size in bytes.

    Raises:
        NoRoom: with what is needed and what there is.
    """
    free = free_memory() if device == "cpu" else None
    if free is not None and needed * ROOM > free:
        raise NoRoom(f"a model needs {needed * ROOM / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free")


def processor_quota(groups: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Processors that the container may use, where a quota is set (cgroup v2, then v1); None without one."""
    try:
        quota, period = (groups / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota_us = int((groups / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((groups / "cpu" / "cpu.cfs_period_us").read_text())
        return quota_us / period_us if quota_us > 0 else None
    except (OSError, ValueError):
        return None


def _fill(model: Any) -> None:
    """Small random weights, quickly: the library's own initialisation takes seconds and is no nearer to real ones."""
    import torch

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2**20, generator=generator) * 0.02
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            flat = parameter.view(-1)
            repeats = -(-flat.numel() // noise.numel())
            flat.copy_(noise.repeat(repeats)[: flat.numel()].to(flat.device, flat.dtype))
            if "LayerNorm.weight" in name or "layer_norm.weight" in name:
                parameter.fill_(1.0)
        for name, buffer in model.named_buffers():
            if name.endswith("position_ids"):
                buffer.copy_(torch.arange(buffer.shape[-1], device=buffer.device).expand_as(buffer))
            else:
                buffer.zero_()


def free_memory() -> int | None:
    """Bytes that may still be used: what the kernel calls available, or less where a container has a limit."""
    limits = [_meminfo(), _cgroup_room(), _address_room()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _cgroup_room() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit) - int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return None


def _address_room() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        return None if soft == resource.RLIM_INFINITY else soft - used
    except (ImportError, OSError, ValueError):
        return None
