"""What the page costs: 100 claims with 10 evidence files and 9 runs beside, from the command to index.html.

    python -m benchmarks.page

Wanted: at most 3 s for the whole process, less than 1.5 MB, first paint within 500 ms in Chromium. The paint needs
chromium, node and `npm ci --ignore-scripts --prefix tests/web`.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from judge.baselines import Baselines, load_baselines
from judge.commandline import Parser
from judge.evidence import Evidence, read_evidence, write_evidence
from judge.files import pretty, read
from judge.verdicts import SCHEMA, VerdictFile

ROOT = Path(__file__).parents[1]
CLAIMS, FILES, SEEDS, RUNS = 100, 10, 5, 5
SECONDS, BYTES, PAINT = 3.0, 1_500_000, 500.0


def main() -> int:
    """Print what was measured beside what is wanted; 1 where one of them is missed."""
    Parser(prog="python -m benchmarks.page", description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = _input(folder)
        seconds = [_timed(command) for _ in range(RUNS)]
        size = (folder / "site" / "index.html").stat().st_size
        paints = _paints(folder / "site" / "index.html")
    print(f"{CLAIMS} claims, {FILES} evidence files of {SEEDS} seeds, {FILES - 1} runs beside; {RUNS} times each")
    good = [_line("command to page, s", seconds, SECONDS), _line("size, MB", [size / 1e6], BYTES / 1e6)]
    if paints:
        good.append(_line("first paint, ms", paints, PAINT))
    else:
        print("first paint: not measured, needs chromium, node and tests/web/node_modules")
    return int(not all(good))


def _input(folder: Path) -> list[str]:
    """Write evidence, baselines with 100 claims and verdicts, all made from the recorded ones; the command to time."""
    evidence = [read_evidence(ROOT / "evidence" / f"{name}.json") for name in ("cpu", "prior-study")]
    for number in range(FILES):
        write_evidence(folder / "evidence" / f"host-{number}.json", _host(number, evidence))
    results = folder / "judged"
    judging = ["pytest", "claims/", "-q", "-p", "no:cacheprovider", f"--results={results}"]
    judging += [f"--evidence={folder / 'evidence' / 'host-0.json'}"]
    subprocess.run([sys.executable, "-m", *judging], cwd=ROOT, capture_output=True, check=False)
    file = read(VerdictFile, results / "verdicts.json", schema=SCHEMA)
    _write_baselines(folder / "baselines")
    more = _more(load_baselines(folder / "baselines"), file)
    command = [sys.executable, "-m", "report", "render", str(folder / "0.json"), str(folder / "site")]
    command += ["--paper", str(folder / "baselines"), "--evidence", str(folder / "evidence")]
    for number in range(FILES):
        (folder / f"{number}.json").write_text(pretty(_shifted(more, number)), encoding="utf-8")
        command += ["--beside", f"host {number}={folder / f'{number}.json'}"] if number else []
    return command


def _host(number: int, evidence: list[Evidence]) -> Evidence:
    """What both files recorded, as if by a host of its own, with five seeds of every score."""
    measurements = [m for file in evidence for m in file.measurements]
    seeds = tuple(range(SEEDS))
    more = [
        m.model_copy(update={"seeds": seeds, "values": tuple(m.values[0] + seed / 1000 for seed in seeds)})
        if m.seeds
        else m
        for m in measurements
    ]
    host = evidence[0].host.model_copy(update={"name": f"host {number}"})
    return evidence[0].model_copy(update={"host": host, "measurements": tuple(more)})


def _write_baselines(folder: Path) -> None:
    shutil.copytree(ROOT / "baselines", folder)
    paper = json.loads((folder / "paper.json").read_text(encoding="utf-8"))
    study = json.loads((folder / "prior-study.json").read_text(encoding="utf-8"))
    wanted = CLAIMS - len(paper["claims"]) - len(study["claims"])
    cells = [claim for claim in paper["claims"] if claim["id"].startswith("glue.") and claim.get("cell")]
    copies: list[dict[str, Any]] = [
        {**cells[n % len(cells)], "id": f"{cells[n % len(cells)]['id']}_{n}"} for n in range(wanted)
    ]
    paper["claims"] += copies
    (folder / "paper.json").write_text(json.dumps(paper), encoding="utf-8")


def _more(baselines: Baselines, file: VerdictFile) -> VerdictFile:
    """The verdicts, and for each copied claim that of the claim it was copied from."""
    verdicts = {
        name: (file.verdicts.get(name) or file.verdicts[name.rpartition("_")[0]]).model_copy(update={"id": name})
        for name in baselines.claims
    }
    return file.model_copy(update={"verdicts": verdicts, "paper_sha256": baselines.digest})


def _shifted(file: VerdictFile, number: int) -> VerdictFile:
    """Another host's verdicts: every number a little higher, so that none is taken for the same measurement."""
    verdicts = {
        name: v.model_copy(
            update={
                "raw": {key: [x + number / 1e6 for x in values] for key, values in v.raw.items()},
                "value": v.value and v.value + number / 100,
                "interval": v.interval and (v.interval[0] + number / 100, v.interval[1] + number / 100),
            }
        )
        for name, v in file.verdicts.items()
    }
    return file.model_copy(update={"verdicts": verdicts, "host": {**file.host, "name": f"host {number}"}})


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def _paints(page: Path) -> list[float]:
    browser, web = shutil.which("chromium"), ROOT / "tests" / "web"
    if browser is None or shutil.which("node") is None or not (web / "node_modules").is_dir():
        return []
    done = subprocess.run(
        ["node", "paint.mjs", browser, str(page), str(RUNS)], cwd=web, check=True, capture_output=True, text=True
    )
    return [float(value) for value in json.loads(done.stdout)]


def _line(what: str, values: list[float], most: float) -> bool:
    middle = statistics.median(values)
    print(f"{what:<22} {middle:8.2f}  {min(values):.2f} to {max(values):.2f}, wanted at most {most:g}")
    return middle <= most


if __name__ == "__main__":
    sys.exit(main())
