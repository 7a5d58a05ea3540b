"""The README's figure: how many times as fast the student is, by backend, with 90 % intervals.

    python -m benchmarks.backends evidence/cpu.json benchmarks/backends.svg

Prints the same as a Markdown table. Made from recorded pairs alone, which
`pytest claims/test_speed.py --runslow --record FILE` records.
"""

import sys
from pathlib import Path

from judge.baselines import load_baselines
from judge.commandline import Parser, as_path
from judge.evidence import read_evidence
from judge.files import Mistake
from judge.pool import Pool
from judge.statistics import pair_ratio

QUANTITY = "speed.cpu_backends."
Row = tuple[str, float, float, float]


def rows(path: Path) -> list[Row]:
    """(backend, ratio, low, high) of every backend that the file has pairs of, in its order.

    Raises:
        Mistake: the file cannot be read, or has no pairs by backend.
    """
    evidence = read_evidence(path)
    models = load_baselines(Path(__file__).parents[1] / "baselines").models
    names = [m.quantity for m in evidence.measurements if m.quantity.startswith(QUANTITY) and m.pairs]
    pool = Pool([(str(path), evidence)])
    found = []
    for name in dict.fromkeys(names):
        [launches] = pool.paired(name, [models.teacher.id], [models.student.id])
        estimate = pair_ratio([pair for measurement in launches.measurements for pair in measurement.pairs])
        low, high = estimate.interval(estimate.level)
        found.append((name.removeprefix(QUANTITY).replace("_", " "), estimate.value, low, high))
    if not found:
        raise Mistake(f"{path} has no times by backend: record them with --runslow --record {path}.")
    return found


def draw(found: list[Row], path: Path) -> None:
    """An SVG whose text can be selected, on a ground that is white in a dark page too."""
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and the same rows give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "backends", "font.size": 10})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 0.42 * len(found) + 1.3))
    names, values, lows, highs = zip(*reversed(found), strict=True)
    below = [value - low for value, low in zip(values, lows, strict=True)]
    above = [high - value for value, high in zip(values, highs, strict=True)]
    axes.errorbar(values, range(len(names)), xerr=[below, above], fmt="o", color="#0072b2", capsize=3)
    axes.axvline(1.595, color="#a30f3d", linestyle="--")
    axes.text(1.6, len(names) - 0.6, "needed: 1.595", color="#a30f3d")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(1.5, max(2.1, *highs) + 0.05)
    axes.set_ylim(-0.6, len(names) - 0.2)
    axes.set_xlabel("BERT-base's time / DistilBERT's, one thread, batch 1, 90 % intervals")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Title": "60 % faster, by backend"})
    pyplot.close(figure)


def main(arguments: list[str]) -> int:
    """Draw the figure; 0, or 2 with a sentence where that cannot be."""
    parser = Parser(prog="python -m benchmarks.backends", description=__doc__.splitlines()[0])
    parser.add_argument("evidence", type=as_path, help="recorded measurements with times by backend")
    parser.add_argument("figure", type=as_path, help="the SVG file to write")
    options = parser.parse_args(arguments)
    try:
        found = rows(options.evidence)
        draw(found, options.figure)
    except (Mistake, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print("| backend | ratio | 90 % interval |\n|---|---|---|")
    for name, value, low, high in found:
        print(f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
