"""What the suite costs before and around a measurement: wall time of its commands, each in a process of its own.

    python -m benchmarks.startup [--repeats N]

Prints a Markdown table: median and range over the repeats, the commands taking turns so that a busy spell of the
machine falls on all of them.
"""

import statistics
import subprocess
import sys
import tempfile
import time

from judge.commandline import Parser, as_count

COMMANDS = {
    "pytest --help": ["--help"],
    "pytest claims/ --collect-only": ["claims/", "--collect-only", "-q"],
    "pytest claims/ --evidence evidence/prior-study.json": ["claims/", "--evidence", "evidence/prior-study.json"],
    "pytest claims/ -m fast": ["claims/", "-m", "fast"],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one pytest command from the root of the checkout; verdicts go to a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", *arguments, "--results", folder]
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        taken = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}: run it by hand to see why.")
    return taken


def main() -> None:
    """Time every command in turns and print the table."""
    parser = Parser(prog="python -m benchmarks.startup", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repeats", type=as_count, default=5, metavar="N", help="runs of each command (default: %(default)s)"
    )
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(repeats):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
            print(f"{turn + 1}/{repeats} {name}: {times[name][-1]:.2f} s", file=sys.stderr)
    print("| command | median, s | range, s |\n|---|---|---|")
    for name, values in times.items():
        print(f"| `{name}` | {statistics.median(values):.1f} | {min(values):.1f} to {max(values):.1f} |")


if __name__ == "__main__":
    main()
