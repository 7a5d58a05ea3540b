"""One fine-tuning job from its files to its result: read from top to bottom."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers

from judge.files import Mistake
from measure.finetuning.features import tokens_of
from measure.finetuning.midrun import Midrun, forget, newest
from measure.finetuning.pretrained import check_vocabulary, load_model, load_tokenizer
from measure.finetuning.room import cannot_write, check_disk, check_memory, give_back_memory, memory_is_short
from measure.finetuning.scoring import Scored, score_splits
from measure.finetuning.trainer import FineTuner, Watch, columns_of, make_trainer
from measure.host import SUITE_VERSION, commit, describe_host, versions
from measure.jobs import Job
from measure.launchers import unlaunched
from measure.results import SCHEMA, Provenance, Result
from measure.store import Store

ROOT = Path(__file__).parents[2]


class Stopped(Exception):
    """The run was asked to stop and did so after a step; a mid-run checkpoint lies in the store."""


@unlaunched()
def run(
    job: Job,
    store: Store,
    device: str,
    watch: Watch,
    *,
    keep_checkpoint: bool,
    phase: Callable[[str], None] = lambda _: None,
) -> Result:
    """Fine-tune, score, and keep the result.

    Args:
        job: what to run.
        store: where tokens, mid-run checkpoint and result go. The caller holds the job's lock.
        device: cuda, mps or cpu.
        watch: called after every optimiser step with the steps done and all of them; True stops the run.
        keep_checkpoint: whether to keep the fine-tuned model as safetensors.
        phase: told in a word what is done beside the steps.

    Raises:
        Mistake: rows, weights or recipe are wrong, or there is no room for the job.
        Stopped: `watch` asked for it.
    """
    started = time.monotonic()
    quiet()
    phase("tokenising")
    tokenizer = load_tokenizer(job.model)
    for split in job.task.evaluation:  # what is wrong with them is said now, not after the training
        tokens_of(job, split, tokenizer, store, training=False)
    rows = tokens_of(job, job.task.train, tokenizer, store, training=True)
    trainer = _train(job, tokenizer, rows, store, device, watch)
    phase("scoring")
    scored = score_splits(job, trainer, tokenizer, store)
    checkpoint = _save(trainer.model, tokenizer, store.work(job.key) / "finished") if keep_checkpoint else None
    return store.keep(_result(job, trainer, scored, device, started), scored.predictions, checkpoint)


def _train(job: Job, tokenizer: Any, rows: Any, store: Store, device: str, watch: Watch) -> FineTuner:
    """Train with the recipe's batch; where memory is short, in micro-batches whose gradients are added up."""
    batch, work = job.protocol.recipe.batch_size, store.work(job.key)
    midrun = newest(work, job.protocol.recipe.steps(len(rows)))
    for micro_batch in range(midrun.micro_batch if midrun else batch, 0, -1):
        if batch % micro_batch:
            continue
        try:
            return _train_in(micro_batch, midrun, job, tokenizer, rows, store, device, watch)
        except (MemoryError, RuntimeError) as error:
            if not memory_is_short(error):
                raise
        # Only now: as long as the error is handled, it holds on to the model. Steps that were taken with another
        # micro-batch had another dropout, so the run begins again.
        give_back_memory(device)
        forget(work)
        midrun = None
    raise Mistake(f"{job} does not fit in the memory of {device}, not even one example at a time: use a larger device.")


def _train_in(
    micro_batch: int,
    midrun: Midrun | None,
    job: Job,
    tokenizer: Any,
    rows: Any,
    store: Store,
    device: str,
    watch: Watch,
) -> FineTuner:
    give_back_memory(device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        # Some hosts turn TF32 on for all: fp32 is fp32 here, or the record would not say what was run.
        torch.backends.cuda.matmul.allow_tf32 = False
    transformers.set_seed(job.seed)  # before the head is made: it differs from seed to seed
    model, remarks = load_model(job.model, job.task, job.protocol.recipe.max_length)
    check_vocabulary(job.model, tokenizer, model)
    check_memory(job, model, device)
    check_disk(job, sum(p.numel() for p in model.parameters()), store.free_bytes())
    work = store.work(job.key)
    trainer = make_trainer(job, model, tokenizer, columns_of(model, rows), work, device, micro_batch, watch)
    trainer.remarks = remarks
    if midrun:
        trainer.remarks += (f"it went on from step {midrun.step}, and its duration is that of the last part",)
    trainer.train(resume_from_checkpoint=str(midrun.folder) if midrun else None)
    if trainer.state.global_step < trainer.state.max_steps:
        raise Stopped
    return trainer


def _save(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Write the fine-tuned model and its tokenizer, as the tokenizer was before its last call left a length in it."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed here
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    try:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except Exception as error:  # the operating system's, safetensors' or tokenizers', which have no common class
        shutil.rmtree(folder, ignore_errors=True)
        raise cannot_write("the fine-tuned model", folder.parent, error) from None
    return folder


def _result(job: Job, trainer: FineTuner, scored: Scored, device: str, started: float) -> Result:
    """The record of a finished job."""
    provenance = Provenance(
        host=describe_host(),
        versions=versions(),
        suite_version=SUITE_VERSION,
        commit=commit(ROOT),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_s=round(time.monotonic() - started, 1),
        rows=len(trainer.train_dataset),
        steps=trainer.state.global_step,
        micro_batch=trainer.args.per_device_train_batch_size,
        device=device,
        peak_memory_gib=round(torch.cuda.max_memory_allocated() / 2**30, 2) if device == "cuda" else None,
        notes=(*trainer.remarks, *scored.remarks),
    )
    return Result(
        schema_=SCHEMA,
        key=job.key,
        family=job.family,
        job=job.facts(),
        metrics=scored.metrics,
        examples=scored.examples,
        splits={split: len(values) for split, values in scored.predictions.items()},
        constant=scored.constant,
        provenance=provenance,
    )


def quiet() -> None:
    """Silence the libraries' own progress bars and reports: the suite says what is going on."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
