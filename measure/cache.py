"""`python -m measure.cache`: what fine-tuning jobs are stored, and their removal."""

import argparse
import contextlib
import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from judge.commandline import Parser, as_path
from judge.files import Mistake, require_utf8
from measure.cachefolder import KEY, CacheFolder, listed
from measure.results import CHECKPOINT, Damaged, Result, read_predictions, read_result
from measure.store import Store, default_cache

DESCRIPTION = "What is stored of finished fine-tuning jobs, and its removal."
LIST = """List the jobs in the cache: task, model, seed, precision, scores, size, age and key.

Nothing is changed. A job of which a file is not what was stored is shown as damaged, and would be run again."""
PRUNE = """Say what would be removed, and how many bytes that frees; with --yes, remove it.

Without an option that says what, whole jobs are removed: those named by KEY, those older than DAYS, or those of the
named that are older. With options, only what they say is removed, of the jobs named or else of all. The work of a
running job is never removed."""
EXAMPLES = """examples:
  python -m measure.cache list
  python -m measure.cache prune --checkpoints          # would keep every score, and free most of the space
  python -m measure.cache prune --checkpoints --yes
  python -m measure.cache prune 3f9c 81d2e --yes       # two jobs, which then are run again when they are needed
  python -m measure.cache prune --damaged --work --older-than 7 --yes

Exits with 0, or with 2 and one sentence where nothing was selected, a KEY is unknown or DIR is no cache."""
HEADER = ("task", "model", "seed", "precision", "score", "size", "age", "checkpoint", "key")
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# Digits of a key that are shown at least; more where two jobs share them.
SHORTEST = 8

Kind = Literal["job", "checkpoint", "damaged", "work", "features", "rehearsal"]
WHOLE: tuple[Kind, ...] = ("features", "rehearsal")  # folders that are removed as one


@dataclass(frozen=True)
class Entry:
    """A stored job: its record, or what is wrong with it; its size in bytes with the checkpoint, if it has one."""

    key: str
    result: Result | None
    damage: str
    bytes: int
    checkpoint: bool


@dataclass(frozen=True)
class Part:
    """Something that can be removed: its kind, the key of its job, its size in bytes and when it was made."""

    kind: Kind
    key: str
    path: Path
    bytes: int
    made: datetime

    def __str__(self) -> str:
        names = {**dict.fromkeys(WHOLE, ""), "damaged": f" {self.path.name}", "work": f" {self.path.name}"}
        return self.kind + names.get(self.kind, f" {self.key}")


def entries(store: Store) -> list[Entry]:
    """Every job in the store, verified but for its checkpoint. Nothing is moved or changed."""
    return [_entry(store.jobs / key) for key in store.stored_keys()]


def parts(store: Store) -> list[Part]:
    """Everything in the store that can be removed; a checkpoint is a part of its own and of its job's."""
    found = [_part("job", store.jobs / key, key) for key in store.stored_keys()]
    found += [_part("checkpoint", part.path / CHECKPOINT, part.key) for part in found if _has_checkpoint(part.path)]
    places: tuple[tuple[Kind, str], ...] = (("damaged", "damaged"), ("work", "work"), ("work", "temporary"))
    for kind, name in places:
        named = [(path, path.name.split(".")[0]) for path in listed(store.folder / name)]
        found += [_part(kind, path, key) for path, key in named if KEY.fullmatch(key)]
    return found + [_part(kind, store.folder / kind, kind) for kind in WHOLE if listed(store.folder / kind)]


def remove(store: CacheFolder, part: Part) -> bool:
    """Remove a part; False where it belongs to a job that is running.

    Raises:
        Mistake: it cannot be removed, or filelock is not installed, by which a running job is known.
    """
    if part.kind != "work":
        store.discard(part.path, part.key)
        return True
    with store.unless_held(part.key) as idle:
        if idle:
            store.discard(part.path, part.key)
    return idle


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0, or 2 after one sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        require_utf8(arguments)
        store = Store(options.cache or default_cache())
        if not store.is_ours():
            raise Mistake(f"{store.folder} holds other files than finished jobs: give the folder of a cache.")
        with store.writing("read"):
            lines = _list(store) if options.command == "list" else _prune(store, options)
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return 2
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # Whoever read it has seen enough; what is left in the buffer must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m measure.cache", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", metavar="{list,prune}", required=True)
    for name, text in (("list", LIST), ("prune", PRUNE)):
        command = commands.add_parser(name, help=text.splitlines()[0], description=text, formatter_class=raw)
        command.add_argument(
            "--cache",
            type=as_path,
            metavar="DIR",
            help="the cache. Default: distilbert-claims in the user's cache folder",
        )
    prune = commands.choices["prune"]
    for option, text in (
        ("--checkpoints", "the weights of finished jobs; their scores and predictions stay"),
        ("--damaged", "what was set aside because it was not what had been stored"),
        ("--features", "tokenised data, which is made again in minutes"),
        ("--rehearsal", "what rehearsals left"),
        ("--work", "what jobs that were stopped or killed left; they start from the beginning then"),
    ):
        prune.add_argument(option, action="store_true", help=text)
    prune.add_argument("--older-than", type=_days, metavar="DAYS", help="only what was made more than DAYS days ago")
    prune.add_argument("--yes", action="store_true", help="remove it. Default: say what would be removed")
    prune.add_argument("keys", nargs="*", metavar="KEY", help="a job, by as many digits of its key as are its alone")
    return parser


def _days(text: str) -> timedelta:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 <= days <= 36500:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return timedelta(days=days)


def _list(store: Store) -> list[str]:
    jobs, rest = entries(store), [part for part in parts(store) if part.kind != "job"]
    if not jobs and not rest:
        return [f"{store.folder} {'is empty' if store.folder.exists() else 'does not exist'}: nothing is stored there."]
    jobs.sort(key=lambda entry: (entry.result is None, *_order(entry)))
    digits = _digits([entry.key for entry in jobs])
    table = [*_table([HEADER, *(_row(entry, digits) for entry in jobs)]), ""] if jobs else []
    damaged = [f"{entry.key[:digits]} is not used: {entry.damage}" for entry in jobs if entry.result is None]
    return [*table, *damaged, *_totals(store, jobs, rest)]


def _order(entry: Entry) -> tuple[str, str, int, str]:
    job = entry.result.job if entry.result else {}
    seed = job.get("seed")
    return str(job.get("task")), str(job.get("model")), seed if isinstance(seed, int) else 0, entry.key


def _row(entry: Entry, digits: int) -> tuple[str, ...]:
    end = ("yes" if entry.checkpoint else "no", entry.key[:digits])
    if entry.result is None:
        return (*("-",) * 4, "damaged", _size(entry.bytes), "-", *end)
    job, result = entry.result.job, entry.result
    scores = " / ".join(f"{value:.4f}" for value in result.metrics.values()) or "-"
    first = (str(job.get(name, "-")) for name in ("task", "model", "seed", "precision"))
    said = scores + (" (nearly all predictions the same)" if result.constant else "")
    return (*first, said, _size(entry.bytes), _age(result.provenance.when), *end)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns under each other, those of numbers to the right; their widths are those of their longest cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {HEADER.index(name) for name in ("seed", "size", "age")}
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _totals(store: Store, jobs: list[Entry], rest: list[Part]) -> list[str]:
    count = f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}"
    inside = sum(part.bytes for part in rest if part.kind == "checkpoint")
    whole = sum(entry.bytes for entry in jobs)
    others = [(kind, [part.bytes for part in rest if part.kind == kind]) for kind in ("damaged", "work", *WHOLE)]
    besides = "".join(f"; {kind} {_size(sum(sizes))}" for kind, sizes in others if sizes)
    return [
        f"{count}, {_size(whole)}, of which checkpoints {_size(inside)}{besides}; {_size(store.free_bytes())} free",
        f"in {store.folder}",
    ]


def _prune(store: Store, options: argparse.Namespace) -> list[str]:
    chosen, before = _selected(store, options), datetime.now(UTC)
    if options.older_than is not None:
        chosen = [part for part in chosen if before - part.made > options.older_than]
    if not chosen:
        return [f"{store.folder} has nothing of that kind, so nothing is removed."]
    if not options.yes:
        lines = [f"would remove {part}, {_size(part.bytes)}" for part in chosen]
        return [*lines, f"{_size(sum(part.bytes for part in chosen))} would be freed: add --yes to remove it."]
    gone = [(part, remove(store, part)) for part in chosen]
    lines = [f"{'removed' if done else 'left, since its job is running:'} {part}" for part, done in gone]
    return [*lines, f"{_size(sum(part.bytes for part, done in gone if done))} freed."]


def _selected(store: Store, options: argparse.Namespace) -> list[Part]:
    """The parts that the options name, whatever their age."""
    names: dict[str, str] = {"checkpoints": "checkpoint", **{name: name for name in ("damaged", "work", *WHOLE)}}
    kinds = {kind for name, kind in names.items() if getattr(options, name)}
    if not kinds and not options.keys and options.older_than is None:
        raise Mistake(
            "nothing is selected: name jobs by their keys, or give --checkpoints, --damaged, --features, --rehearsal, "
            "--work or --older-than DAYS."
        )
    found = parts(store)
    keys = {_whole(text, {part.key for part in found if part.kind not in WHOLE}, store.folder) for text in options.keys}
    return [part for part in found if part.kind in (kinds or {"job"}) and (not keys or part.key in keys)]


def _whole(text: str, keys: Iterable[str], folder: Path) -> str:
    """The key that begins so."""
    found = sorted(key for key in keys if key.startswith(text))
    if not found:
        raise Mistake(f"{folder} has no job whose key begins with {text!r}: see python -m measure.cache list.")
    if len(found) > 1 and text not in found:
        raise Mistake(f"{len(found)} jobs have keys that begin with {text!r}: give more digits of the one you mean.")
    return text if text in found else found[0]


def _entry(folder: Path) -> Entry:
    result, damage = None, ""
    try:
        result = read_result(folder)
        read_predictions(folder, result)
    except (Damaged, Mistake) as error:
        result, damage = None, str(error)
    return Entry(folder.name, result, damage, _bytes(folder), _has_checkpoint(folder))


def _has_checkpoint(folder: Path) -> bool:
    return (folder / CHECKPOINT).is_dir()


def _part(kind: Kind, path: Path, key: str) -> Part:
    made = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    if kind in ("job", "checkpoint"):
        # The time in the record survives a copy of the cache.
        with contextlib.suppress(Damaged, Mistake):
            made = read_result(path if kind == "job" else path.parent).provenance.when
    return Part(kind, key, path, _bytes(path), made)


def _bytes(path: Path) -> int:
    return sum(file.lstat().st_size for file in (path, *path.rglob("*")) if not file.is_dir())


def _digits(keys: Sequence[str]) -> int:
    """How many digits tell the keys apart, eight at least."""
    longest = max(map(len, keys), default=SHORTEST)
    return next((n for n in range(SHORTEST, longest) if len({key[:n] for key in keys}) == len(keys)), longest)


def _size(count: float) -> str:
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {UNITS[unit]}" if unit else f"{count:.0f} B"


def _age(then: datetime) -> str:
    hours = (datetime.now(UTC) - then).total_seconds() / 3600
    return f"{hours / 24:.0f} d" if hours >= 48 else f"{hours:.0f} h" if hours >= 1 else "now"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
