"""How a ratio of speeds is measured: interleaved pairs, in alternating order, their number fixed before they are run.

A pair is one forward pass of each model on an input of the same length. What comes and goes on a shared machine falls
on both halves of a pair, what the first place costs falls on each model in half of the pairs, and since the number
of pairs depends on nothing but a pilot, when to stop never depends on the result.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from judge.statistics import Pair

FEWEST, MOST = 40, 200
WARM_UPS = 2
PILOT = 4
Side = Literal["teacher", "student"]


@dataclass(frozen=True)
class Turn:
    """One timed forward pass: which model, on an input of how many tokens."""

    side: Side
    length: int


def number_of_pairs(seconds_per_pair: float, budget: float) -> int:
    """An even number of pairs that fits the budget in seconds, from 40 to 200.

    Fewer than 40 would make the interval itself unreliable, so a slow machine overruns its budget instead.
    """
    fitting = int(budget / seconds_per_pair) if seconds_per_pair > 0 else MOST
    return max(FEWEST, min(MOST, fitting // 2 * 2))


def spread_lengths(counts: Mapping[int, int], number: int) -> list[int]:
    """`number` lengths that follow a distribution of lengths, ordered so that both orders of a pair see it alike.

    The middle of each of `number` equal shares of the examples, dealt out in turns to the pairs that the teacher opens
    and those that the student opens, with a stride that keeps short and long inputs apart in time.
    """
    every = [length for length in sorted(counts) for _ in range(counts[length])]
    chosen = [every[(2 * i + 1) * len(every) // (2 * number)] for i in range(number)]
    stride = next(step for step in range(max(2, round(number * 0.618)), 2 * number + 2) if math.gcd(step, number) == 1)
    return [chosen[i * stride % number] for i in range(number)]


def turns(lengths: Sequence[int]) -> list[Turn]:
    """The passes in the order in which they are run: teacher, student, student, teacher, and so on (ABBA)."""
    sides: tuple[tuple[Side, Side], ...] = (("teacher", "student"), ("student", "teacher"))
    return [Turn(side, length) for i, length in enumerate(lengths) for side in sides[i % 2]]


def pairs(sequence: Sequence[Turn], seconds: Sequence[float]) -> list[Pair]:
    """What the passes of a sequence took, put together as (which model ran first, teacher's s, student's s)."""
    if len(sequence) != len(seconds) or len(sequence) % 2:
        raise ValueError(f"{len(sequence)} passes and {len(seconds)} times make no pairs")
    made: list[Pair] = []
    for i in range(0, len(sequence), 2):
        taken = {sequence[i].side: seconds[i], sequence[i + 1].side: seconds[i + 1]}
        made.append((sequence[i].side, taken["teacher"], taken["student"]))
    return made


def pilot_seconds(seconds: Sequence[float]) -> float:
    """Seconds of a typical pair, from the times of a few single passes of either model in turns."""
    sums = [seconds[i] + seconds[i + 1] for i in range(0, len(seconds), 2)]
    return statistics.median(sums)
