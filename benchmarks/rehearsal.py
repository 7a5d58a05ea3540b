"""What a rehearsal takes: with nothing in its cache, and again with all of its jobs there.

    python -m benchmarks.rehearsal [--mirror DIR]

Prints a Markdown table with the wall time of both, each in a process of its own, without network. With --mirror the
data are the first examples of the real sets that are there.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from judge.commandline import Parser, as_folder


def seconds(folder: Path, mirror: Path | None) -> float:
    """Wall time of one rehearsal on the cache in a folder. Raises SystemExit where a claim did not go through."""
    command = [sys.executable, "-m", "pytest", "claims/", "--rehearse", "-q", "--results", str(folder / "results")]
    command += ["--cache", str(folder / "cache"), *(["--mirror", str(mirror)] if mirror else [])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    taken = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stdout[-2000:]}")
    return taken


def main() -> None:
    """Rehearse twice and print the table."""
    parser = Parser(prog="python -m benchmarks.rehearsal", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--mirror", type=as_folder, metavar="DIR", help="take real data from here where it has them (default: made)"
    )
    mirror = parser.parse_args().mirror
    print("| rehearsal | seconds |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("with an empty cache", "again"):
            print(f"| {name} | {seconds(Path(folder), mirror):.0f} |", flush=True)


if __name__ == "__main__":
    main()
