"""How fast this device trains a model: a few real training steps with random weights, at two lengths."""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from judge.files import Mistake
from measure.flops import Calibration, Shape, fitted, memory_bytes, shape_of
from measure.host import describe_host
from measure.models import ROOM, NoRoom, check_room, load
from measure.weights import most_tokens

# Batch and lengths by kind of device. A GPU has to be filled, or launches are timed; a step on a CPU takes seconds, and
# 512 tokens are enough for its rate.
CHOSEN: dict[str, tuple[int, tuple[int, int]]] = {"cpu": (8, (16, 64)), "cuda": (32, (64, 384)), "mps": (8, (64, 256))}
# Rounds after the first step of each length, which allocates, and before the first that counts.
WARM_UP = {"cpu": 0, "cuda": 3, "mps": 3}
MOST_ROUNDS = 50


def calibrate(
    config: Any,
    device: str,
    precision: str,
    batch: int | None = None,
    lengths: tuple[int, ...] | None = None,
    seconds: float = 3.0,
    shape: Shape | None = None,
) -> Calibration:
    """Time training steps and fit seconds = fixed + FLOPs / rate.

    Args:
        config: a transformers configuration.
        device: cpu or cuda.
        precision: fp32, or bf16 for autocast with fp32 weights, as the Trainer does it.
        batch: examples of an optimiser step; None for a number that suits the device.
        lengths: tokens of an example, a short one and a long one; None for lengths that suit the device.
        seconds: how long to time, all lengths together; building, warm-up and the last round come on top.
        shape: for encoders that are neither BERT nor DistilBERT.

    Raises:
        Mistake: not even one example at a time fits in memory, or the architecture is not known and no shape given.
    """
    kind = device.split(":")[0]
    batch, lengths = batch or CHOSEN[kind][0], lengths or CHOSEN[kind][1]
    shape = shape or shape_of(config)
    try:
        model, _ = load(config, None, "fp32", device)
        most = most_tokens(model) or max(lengths)
        lengths = tuple(sorted({min(length, most) for length in lengths}))
        samples = _Stepper(model.train(), shape, device, precision).timed(batch, lengths, seconds)
    except NoRoom as error:
        raise Mistake(f"no training step can be timed, {error}: free memory or choose a smaller model.") from None
    return _with_load(fitted(shape, _name(kind), precision, samples), kind)


def _name(kind: str) -> str:
    host = describe_host()
    return (
        str(host.gpu)
        if kind == "cuda"
        else f"{host.cpu}, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
    )


def _with_load(line: Calibration, kind: str) -> Calibration:
    """Say so where others are at work, which makes threads wait for each other and a forecast many times too long."""
    load_now = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    # In a container the load is that of the whole machine, and so must be the number of processors.
    if kind != "cpu" or load_now < (os.cpu_count() or 1) + 1:
        return line
    busy = f"the machine is busy, load {load_now:.1f}: plan again when it is idle"
    return replace(line, note=f"{line.note}; {busy}" if line.note else busy)


class _Stepper:
    """A model with its optimiser, stepped on random examples as a job is: clipping at 1, then AdamW."""

    def __init__(self, model: Any, shape: Shape, device: str, precision: str) -> None:
        self.model, self.shape, self.device, self.precision = model, shape, device, precision
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, fused=True)
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.wait: Callable[[], None] = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(
            device.split(":")[0], lambda: None
        )

    def timed(self, batch: int, lengths: Sequence[int], budget: float) -> list[tuple[int, int, float]]:
        """The fastest step of each length: whatever else the machine does can only add to a step's time.

        Lengths take turns, so that somebody else's work does not fall on one of them alone.
        """
        steps = {length: self._fitting(batch, length) for length in lengths}
        for _ in range(WARM_UP[self.device.split(":")[0]]):
            for examples, micro in steps.values():
                self._step(examples, micro)
        best, spent = dict.fromkeys(lengths, math.inf), 0.0
        for _ in range(MOST_ROUNDS):
            for length, (examples, micro) in steps.items():
                self.wait()
                start = time.perf_counter()
                self._step(examples, micro)
                self.wait()
                taken = time.perf_counter() - start
                best[length], spent = min(best[length], taken), spent + taken
            if spent >= budget:
                break
        return [(batch, length, seconds) for length, seconds in best.items()]

    def _fitting(self, batch: int, length: int) -> tuple[torch.Tensor, int]:
        """Random examples and the largest micro-batch, halved from the whole batch, that a step has memory for."""
        examples, micro = torch.randint(1, self.model.config.vocab_size, (batch, length)).to(self.device), batch
        while True:
            try:
                # A CPU's memory is asked for first: a system that runs out of it ends the process instead of failing.
                needed = memory_bytes(self.shape, self.parameters, micro, length, self.precision)
                check_room(needed / ROOM, self.device)
                self._step(examples, micro)
                return examples, micro
            except (MemoryError, RuntimeError, NoRoom) as error:
                # torch reports a failed allocation as an OutOfMemoryError on a GPU, as a RuntimeError on a CPU.
                short = isinstance(error, MemoryError | torch.OutOfMemoryError | NoRoom) or "allocate" in str(error)
                if not short:
                    raise
                reason = str(error).splitlines()[0] if str(error) else "memory is short"
            self.optimizer.zero_grad()
            if micro == 1:
                raise NoRoom(reason)
            if self.device.startswith("cuda"):
                torch.cuda.empty_cache()
            micro //= 2

    def _step(self, examples: torch.Tensor, micro: int) -> None:
        for part in torch.split(examples, micro):
            enabled = self.precision == "bf16"
            with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=enabled):
                logits = self.model(input_ids=part, attention_mask=torch.ones_like(part)).logits
            (logits.float().square().mean() * len(part) / len(examples)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
