"""What a full run would do and cost, before it is started: jobs, steps, FLOPs, hours, disk, download; and its table."""

import math
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from judge.claims import Role
from measure.flops import DOWNLOAD, TRAINER_SECONDS, Calibration, JobCost, Shape, job_cost
from measure.recipe import Protocol
from measure.tasks import CHEAP, TASKS, FineTuned

Keep = Literal["none", "last", "all"]
Which = tuple[str, Role, int]  # task, model and seed of one job
ROLES: tuple[Role, ...] = ("teacher", "student")
WIDTH = 100


@dataclass(frozen=True)
class TaskPlan:
    """The jobs of one task: for each model the cost of one, all seeds, and how many are still to be done."""

    task: FineTuned
    costs: Mapping[Role, JobCost]
    seeds: Mapping[Role, tuple[int, ...]]
    left: Mapping[Role, int]

    @property
    def jobs(self) -> int:
        """One for each model and seed."""
        return sum(len(seeds) for seeds in self.seeds.values())

    @property
    def to_do(self) -> int:
        """Jobs that are not in the cache."""
        return sum(self.left.values())

    @property
    def flops(self) -> float:
        """Of what is left to do."""
        return sum(self.left[role] * cost.flops for role, cost in self.costs.items())

    def seconds(self, role: Role, calibration: Calibration) -> float:
        """Of what is left to do with one model."""
        return self.left[role] * self.costs[role].seconds(calibration) if role in self.costs else 0.0

    def disk(self, keep: Keep) -> int:
        """Bytes of the checkpoints that stay: none, that of each model's last seed, or all."""
        most = {"none": 0, "last": 1, "all": self.jobs}[keep]
        return sum(min(self.left[role], most) * cost.checkpoint for role, cost in self.costs.items())


@dataclass(frozen=True)
class Plan:
    """What was selected, task by task. `names` are the models', `at_hand` what need not be downloaded."""

    tasks: tuple[TaskPlan, ...]
    names: Mapping[Role, str]
    keep: Keep
    at_hand: frozenset[str] = frozenset()

    @property
    def roles(self) -> tuple[Role, ...]:
        """The models that are selected, the teacher first."""
        return tuple(role for role in ROLES if any(role in task.costs for task in self.tasks))

    def only(self, tasks: Collection[str]) -> "Plan":
        """The same plan for some of its tasks."""
        chosen = tuple(part for part in self.tasks if part.task.name in tasks)
        return Plan(chosen, self.names, self.keep, self.at_hand)

    def jobs(self) -> tuple[int, int]:
        """How many jobs there are, and how many of them are left to do."""
        return sum(task.jobs for task in self.tasks), sum(task.to_do for task in self.tasks)

    def flops(self) -> float:
        """Of what is left to do."""
        return sum(task.flops for task in self.tasks)

    def seconds(self, timed: Mapping[Role, Calibration]) -> float:
        """Of what is left to do, one job after another, for the models that were timed."""
        return sum(task.seconds(role, timed[role]) for task in self.tasks for role in self.roles if role in timed)

    def disk(self) -> tuple[int, int]:
        """Bytes of checkpoints that stay, and of the one that a job in flight needs to go on after an interruption."""
        in_flight = [cost.resumable for task in self.tasks for role, cost in task.costs.items() if task.left[role]]
        return sum(task.disk(self.keep) for task in self.tasks), max(in_flight, default=0)

    def download(self) -> tuple[float, float]:
        """Bytes of data sets and of weights that must be fetched for what is left to do."""
        data = [DOWNLOAD[part.task.name] for part in self.tasks if part.to_do and part.task.name not in self.at_hand]
        # The hub's file holds the head of pre-training, which is about as large as a classifier's.
        weights = [
            max((part.costs[role].checkpoint for part in self.tasks if part.left.get(role)), default=0)
            for role in self.roles
            if role not in self.at_hand
        ]
        return sum(data) * 1e6, float(sum(weights))


def make_plan(
    protocols: Mapping[tuple[str, Role], Protocol],
    shapes: Mapping[Role, Shape],
    names: Mapping[Role, str],
    *,
    precision: str = "fp32",
    keep: Keep = "last",
    cached: Collection[Which] = (),
    at_hand: Iterable[str] = (),
    limit: int | None = None,
) -> Plan:
    """Plan every job that the protocols ask for.

    Args:
        protocols: recipe and seeds of each selected task and model; what is not selected is not in it.
        shapes: of each selected model.
        names: what each model is called.
        precision: fp32 or bf16.
        keep: which checkpoints stay.
        cached: task, model and seed of each job whose result is stored.
        at_hand: names of tasks and roles of models whose files are here.
        limit: how many rows of each split are used; None for all.
    """
    parts, done = [], set(cached)
    for name in [name for name in TASKS if any(name == task for task, _ in protocols)]:
        chosen = {role: protocols[name, role] for role in ROLES if (name, role) in protocols}
        seeds = {role: protocol.seeds for role, protocol in chosen.items()}
        left = {role: sum((name, role, seed) not in done for seed in seeds[role]) for role in chosen}
        costs = {
            role: job_cost(TASKS[name], protocol.recipe, shapes[role], precision, limit=limit)
            for role, protocol in chosen.items()
        }
        parts.append(TaskPlan(TASKS[name], costs, seeds, left))
    return Plan(tuple(parts), names, keep, frozenset(at_hand))


def table(plan: Plan, timed: Mapping[Role, Calibration]) -> list[str]:
    """The plan as lines of at most 100 columns: a row for each task and their total, then sentences.

    Args:
        plan: what would run.
        timed: the calibration of each model; a model without one has no hours.
    """
    if not plan.tasks:
        return ["No task is selected."]
    lines = _grid(plan, timed)
    for sentence in _sentences(plan, timed):
        lines += _wrapped(sentence)
    return lines


def duration(seconds: float) -> str:
    """A length of time as one says it: 45 s, 3 min, 2.4 h, 11 days."""
    for size, unit, most in ((1, "s", 60), (60, "min", 60), (3600, "h", 48), (86400, "days", math.inf)):
        decimals = 1 if size >= 3600 and seconds / size < 9.95 else 0
        if round(seconds / size, decimals) < most:
            return f"{seconds / size:,.{decimals}f} {unit}"
    raise ValueError(f"{seconds} is no length of time")


def _grid(plan: Plan, timed: Mapping[Role, Calibration]) -> list[str]:
    """The rows between two rules, in columns; only the first is set to the left."""
    names = [plan.names[role].rstrip("/").rsplit("/", 1)[-1][:10] for role in plan.roles]
    rows = [["task", "rows", "steps", "tokens", "jobs", "cached", "PFLOP", *names, "together"]]
    rows += [_cells(part.task.label, [part], plan.roles, timed) for part in plan.tasks]
    rows += [_cells("total", plan.tasks, plan.roles, timed)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = " " * (2 if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else 1)
    lines = [
        gap.join([row[0].ljust(widths[0]), *(cell.rjust(n) for cell, n in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def _cells(
    label: str, parts: Sequence[TaskPlan], roles: Sequence[Role], timed: Mapping[Role, Calibration]
) -> list[str]:
    """One row: rows, steps and tokens of one job of each task, then what all jobs that are left cost."""
    firsts = [next(iter(part.costs.values())) for part in parts]
    # The recipes of teacher and student may differ in batch, and with it in steps.
    steps = [sum(part.costs[role].steps for part in parts if role in part.costs) for role in roles]
    jobs, left = sum(part.jobs for part in parts), sum(part.to_do for part in parts)
    hours = [sum(part.seconds(role, timed[role]) for part in parts) if role in timed else None for role in roles]
    known = [spent for spent in hours if spent is not None]
    return [
        label,
        f"{sum(cost.rows for cost in firsts):,}",
        "/".join(dict.fromkeys(f"{number:,}" for number in steps)),
        _millions(sum(cost.tokens for cost in firsts)),
        str(jobs),
        str(jobs - left),
        _petaflops(sum(part.flops for part in parts)),
        *("?" if spent is None else duration(spent) for spent in hours),
        duration(sum(known)) if len(known) == len(roles) else "?",
    ]


def _sentences(plan: Plan, timed: Mapping[Role, Calibration]) -> list[str]:
    """What the table does not say: one paragraph for each matter."""
    said = ["Rows, steps, tokens (with padding) are one job's; FLOPs and times are of all jobs not in the cache."]
    guessed = [part.task.label for part in plan.tasks if not part.task.counted]
    if guessed:
        said.append(f"Lengths of {', '.join(guessed)} are estimates; all others were counted on the text.")
    jobs, left = plan.jobs()
    said.append(f"In the cache: {jobs - left} of {jobs} jobs. To do: {left}, {_spent(plan, timed)}.")
    cheap = plan.only(CHEAP)
    if len(cheap.tasks) == len(CHEAP) < len(plan.tasks):
        said.append(f"The cheap set alone, --tasks {','.join(CHEAP)}: {cheap.jobs()[1]} jobs, {_spent(cheap, timed)}.")
    return [*said, *_device(plan, timed), *_room(plan)]


def _spent(plan: Plan, timed: Mapping[Role, Calibration]) -> str:
    work = f"{_petaflops(plan.flops())} PFLOP"
    everything = all(role in timed for role in plan.roles)
    return f"{work}, {duration(plan.seconds(timed))} one after another" if everything else f"{work}, not timed"


def _device(plan: Plan, timed: Mapping[Role, Calibration]) -> list[str]:
    """On what the hours were found, and how."""
    said = []
    for role in (role for role in plan.roles if role in timed):
        line = timed[role]
        steps = ", ".join(
            f"{batch} x {length} tokens in {1000 * taken:,.0f} ms" for batch, length, taken in line.samples
        )
        said.append(
            f"{plan.names[role]} on {line.device}, {line.precision}: timed {steps}: {_rate(line.rate)}, "
            f"and {1000 * line.fixed:,.0f} ms for each step{f' ({line.note})' if line.note else ''}."
        )
    if said:
        said.append(
            f"Hours include {1000 * TRAINER_SECONDS:.0f} ms of the Trainer's for each step and the evaluation, "
            "not what a job takes to load and save."
        )
    return said


def _room(plan: Plan) -> list[str]:
    """Disk, download and memory."""
    kept, in_flight = plan.disk()
    data, weights = plan.download()
    steps = [
        (cost.memory, f"{plan.names[role]} on {part.task.label}")
        for part in plan.tasks
        for role, cost in part.costs.items()
        if part.left[role]
    ]
    largest, where = max(steps, default=(0.0, ""))
    return [
        f"Disk: {gigabytes(kept)} of checkpoints (--keep-checkpoints {plan.keep}), and {gigabytes(in_flight)} "
        "while a job is in flight.",
        f"Download: about {gigabytes(data)} of data sets and {gigabytes(weights)} of weights.",
        *(
            [
                f"Memory: a whole batch of {where} takes about {gigabytes(largest)}; "
                "micro-batches take less where that is short."
            ]
            if steps
            else []
        ),
    ]


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _millions(tokens: float) -> str:
    return f"{tokens / 1e6:,.1f} M" if tokens < 99.95e6 else f"{tokens / 1e6:,.0f} M"


def _petaflops(work: float) -> str:
    number = work / 1e15
    return f"{number:,.0f}" if number >= 99.95 else f"{number:.1f}" if number >= 0.995 else f"{number:.2g}"


def _rate(rate: float) -> str:
    return f"{rate / 1e9:,.0f} GFLOP/s" if rate < 1e12 else f"{rate / 1e12:,.1f} TFLOP/s"


def gigabytes(size: float) -> str:
    """Bytes as one says them: 440 MB, 1.3 GB."""
    if size >= 0.95e9 or not size:
        return f"{size / 1e9:,.1f} GB"
    return f"{size / 1e6:,.{0 if size >= 0.95e6 else 1}f} MB"
