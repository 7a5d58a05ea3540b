"""What the suite adds to fine-tuning: beside a bare Trainer call, when all is in the cache, and whether it learns.

    python -m benchmarks.finetuning overhead --mirror DIR [--rows N] [--repeats N]
    python -m benchmarks.finetuning cached --mirror DIR
    python -m benchmarks.finetuning sst2 --mirror DIR

overhead  one SST-2 job by the suite (files checked, tokens kept, result and weights stored) and the same by a bare
          Trainer call, taking turns; prints both times, their ratio, and the suite's seconds outside the Trainer
cached    a run whose every job is in the cache, up to the end of its last verdict
sst2      a miniature BERT (2 layers, 128 wide, random weights) on all 67,349 sentences for one epoch: must reach 0.79
"""

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judge.baselines import load_baselines
from judge.commandline import Parser, as_count, as_folder
from judge.evidence import Host
from judge.files import Mistake
from measure.jobs import Job
from measure.requests import ROLES, Request
from measure.results import SCHEMA, Provenance, Result
from measure.store import Store
from measure.tasks import TASKS

ROOT = Path(__file__).parents[1]
TOKENIZER = ("vocab.txt", "tokenizer_config.json")
BERT = "google-bert/bert-base-uncased"


def miniature(folder: Path, mirror: Path, layers: int = 2, width: int = 128) -> str:
    """A BERT with random weights and the mirror's real vocabulary, in a folder."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    heads = width // 64
    BertModel(
        BertConfig(num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads, intermediate_size=4 * width)
    ).save_pretrained(folder)
    for name in TOKENIZER:
        (folder / name).write_bytes((mirror / BERT / name).read_bytes())
    return str(folder)


def job_of(model: str, mirror: Path, **recipe: Any) -> Job:
    """SST-2 for one epoch with the paper's recipe, of which `recipe` changes values."""
    request = Request(load_baselines(ROOT / "baselines"), {"teacher": model}, mirror, "paper", ("sst2",), (42,))
    made = request.jobs(TASKS["sst2"], "teacher", "cpu")[0]
    changed = dataclasses.replace(made.protocol.recipe, epochs=1, **recipe)
    return dataclasses.replace(made, protocol=dataclasses.replace(made.protocol, recipe=changed))


def by_the_suite(job: Job, cache: Path) -> tuple[float, float]:
    """Seconds of a whole job in a fresh store, and those of them that the Trainer's own train and predict took."""
    from measure.finetuning.run import run
    from measure.finetuning.trainer import FineTuner

    inside = 0.0
    before = FineTuner.train, FineTuner.predict

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            nonlocal inside
            began = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                inside += time.perf_counter() - began

        return call

    FineTuner.train, FineTuner.predict = timed(before[0]), timed(before[1])
    try:
        store, start = Store(cache), time.perf_counter()
        with store.lock(job.key):
            run(job, store, "cpu", lambda _done, _total: False, keep_checkpoint=True)
        return time.perf_counter() - start, inside
    finally:
        FineTuner.train, FineTuner.predict = before


def by_a_bare_trainer(job: Job, folder: Path) -> float:
    """Seconds of the same job as a script would do it: load, tokenise, train, predict, save."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer
    from transformers import TrainingArguments as Arguments

    start, recipe = time.perf_counter(), job.protocol.recipe
    tokenizer = AutoTokenizer.from_pretrained(str(job.model.folder))
    train, validation = (_script_tokens(job, tokenizer, split, folder) for split in ("train", "validation"))
    arguments = Arguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    model = AutoModelForSequenceClassification.from_pretrained(str(job.model.folder), num_labels=2)
    collator = DataCollatorWithPadding(tokenizer)
    trainer = Trainer(model=model, args=arguments, train_dataset=train, data_collator=collator)
    trainer.train()
    logits: Any = trainer.predict(validation).predictions
    assert len(logits.argmax(-1)) == len(validation)
    trainer.save_model(str(folder / "saved"))
    return time.perf_counter() - start


def _script_tokens(job: Job, tokenizer: Any, split: str, folder: Path) -> Any:
    import datasets

    paths = [str(path) for name, path in job.data.paths if name.startswith(split)]
    rows = datasets.Dataset.from_parquet(paths, cache_dir=str(folder / "data"))
    if job.limit:
        rows = rows.select(range(min(job.limit, len(rows))))

    def tokens(batch: Any) -> Any:
        return tokenizer(batch["sentence"], truncation=True, max_length=job.protocol.recipe.max_length)

    return rows.map(tokens, batched=True, load_from_cache_file=False).remove_columns(["sentence"])


def overhead(mirror: Path, rows: int, repeats: int) -> None:
    """Print a table of both ways, taking turns."""
    import evaluate  # noqa: F401  both ways would import it, and it takes seconds

    import measure.finetuning.run  # noqa: F401

    ours, bare, outside = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = dataclasses.replace(
            job_of(miniature(folder / "model", mirror, layers=4, width=256), mirror), limit=rows or None
        )
        for turn in range(repeats):
            taken, inside = by_the_suite(job, folder / f"suite-{turn}")
            ours.append(taken)
            outside.append(taken - inside)
            bare.append(by_a_bare_trainer(job, folder / f"bare-{turn}"))
            print(f"suite {ours[-1]:.1f} s (Trainer {inside:.1f} s), bare {bare[-1]:.1f} s", file=sys.stderr)
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    print("| | median, s |\n|---|---|")
    print(f"| by the suite | {statistics.median(ours):.1f} |\n| bare Trainer call | {statistics.median(bare):.1f} |")
    print(f"| the suite's seconds outside the Trainer | {statistics.median(outside):.2f} |")
    print(f"\nratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {repeats} turns")


def cached(mirror: Path) -> None:
    """Fill a store with made results of every job whose data are at hand, and time the run that judges them."""
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "mirror"
        for path in mirror.iterdir():
            if path.name not in ("google-bert", "distilbert"):
                whole.mkdir(exist_ok=True)
                (whole / path.name).symlink_to(path.absolute())
        _write_models(whole, mirror)
        cache = Path(name) / "cache"
        count = _fill(Store(cache), whole)
        command = [sys.executable, "-m", "pytest", "claims/test_glue.py", "claims/test_imdb.py", "claims/test_squad.py"]
        command += ["--runslow", "--mirror", str(whole), "--cache", str(cache), "--results", name]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{count} jobs in the cache: {time.perf_counter() - start:.1f} s from the command to its end")
        print(done.stdout.splitlines()[-1])


def _write_models(folder: Path, mirror: Path) -> None:
    """Both models in their real size with random weights, under their own names."""
    from transformers import AutoModel

    from measure.configuration import pinned_config

    models = load_baselines(ROOT / "baselines").models
    for card in (models.teacher, models.student):
        model: Any = AutoModel.from_config(pinned_config(card))
        model.save_pretrained(folder / card.id)
        for name in TOKENIZER:
            (folder / card.id / name).write_bytes((mirror / card.id / name).read_bytes())


def _fill(store: Store, mirror: Path) -> int:
    from measure.hub import Absent

    request = Request(load_baselines(ROOT / "baselines"), {}, mirror, "paper", tuple(TASKS), None, None, False)
    host = Host(name="made")
    about = Provenance(
        host=host,
        versions={},
        suite_version="0",
        created="2026-01-01",
        duration_s=1,
        rows=1,
        steps=1,
        micro_batch=1,
        device="-",
    )
    count = 0
    for task in TASKS.values():
        for role in ROLES:
            try:
                jobs = request.jobs(task, role, "cpu")
            except Absent:
                continue
            for job in jobs:
                examples = {quantity: split.rows for split in task.evaluation for _, quantity in split.quantities}
                predictions = {split.name: [0, 1] * (split.rows // 2) for split in task.evaluation}
                result = Result(
                    schema_=SCHEMA,
                    key=job.key,
                    family=job.family,
                    job=job.facts(),
                    metrics=dict.fromkeys(examples, 0.9),
                    examples=examples,
                    splits={name: len(values) for name, values in predictions.items()},
                    constant=False,
                    provenance=about.model_copy(update={"steps": job.protocol.recipe.steps(about.rows)}),
                )
                store.keep(result, predictions, None)
                count += 1
    return count


def sst2(mirror: Path) -> int:
    """Print the accuracy after one epoch; 1 where it stays below 0.79."""
    from measure.finetuning.run import run

    with tempfile.TemporaryDirectory() as name:
        job = job_of(miniature(Path(name) / "model", mirror), mirror, learning_rate=1e-3)
        store, start = Store(Path(name) / "cache"), time.perf_counter()
        with store.lock(job.key):
            result = run(job, store, "cpu", lambda _done, _total: False, keep_checkpoint=False)
    accuracy = result.metrics["glue.sst2.accuracy"]
    print(f"SST-2 from scratch, one epoch: accuracy {accuracy:.4f} in {time.perf_counter() - start:.0f} s")
    return 0 if accuracy >= 0.79 else 1


def main() -> int:
    """Run one of the three; its exit code, or 2 with a sentence where the mirror lacks something."""
    parser = Parser(
        prog="python -m benchmarks.finetuning", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["overhead", "cached", "sst2"])
    parser.add_argument("--mirror", type=as_folder, required=True, metavar="DIR", help="a folder laid out like the hub")
    parser.add_argument("--rows", type=as_count, default=0, metavar="N", help="overhead: sentences to train on (all)")
    parser.add_argument(
        "--repeats", type=as_count, default=3, metavar="N", help="overhead: turns (default: %(default)s)"
    )
    options = parser.parse_args()
    try:
        if options.what == "sst2":
            return sst2(options.mirror)
        if options.what == "cached":
            cached(options.mirror)
        else:
            overhead(options.mirror, options.rows, options.repeats)
    except (Mistake, FileNotFoundError) as error:  # the mirror lacks something
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
