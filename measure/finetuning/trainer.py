"""transformers' Trainer, told to do exactly what a recipe says, to report progress, and to stop when asked."""

import inspect
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

from judge.files import Mistake
from measure.finetuning.midrun import mark_whole
from measure.finetuning.room import cannot_write, memory_is_short
from measure.jobs import Job

# Fused: the same numbers from fewer passes over memory; the default of transformers 5.
OPTIMIZERS = {"adamw": "adamw_torch_fused"}
# The library's own "constant" leaves out the warm-up.
SCHEDULES = {"linear": "linear", "constant": "constant_with_warmup"}
# A run that is killed loses at most this; a whole copy of weights and optimiser states is written each time.
SECONDS_BETWEEN_CHECKPOINTS = 600.0
# Tensor cores want lengths that are multiples of eight.
MULTIPLE = {"fp32": None, "bf16": 8}
MIXED = {"fp32": "no", "bf16": "bf16"}
EVALUATION_BATCH = 64
# The order of epoch e is that of this multiple of the seed, plus e: seeds next to each other must share no order.
SEED_SPACING = 1009

# Called after every optimiser step with (steps done, steps in all); True asks the run to stop there.
Watch = Callable[[int, int], bool]


class FineTuner(Trainer):  # type: ignore[misc]
    """The Trainer with a loss that is the mean over the whole batch, however many micro-batches it is cut into.

    The stock Trainer leaves this to the model where the model's `forward` takes further keywords. BERT's and
    DistilBERT's do, and ignore them: the gradients of n micro-batches would be added up, n times too large.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.remarks: tuple[str, ...] = ()
        self.padding = {"input_ids": 0, "token_type_ids": 0, "attention_mask": 0}
        self.model_accepts_loss_kwargs = True  # what the base class multiplies or divides by is done here
        self.loss_is_scaled_for_ga = True

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], int]:
        """The micro-batches of one optimiser step, and how many examples they hold."""
        samples, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        if samples and "start_positions" in samples[0]:
            samples = self._as_long_as_each_other(samples)
        return samples, sum(len(batch["input_ids"]) for batch in samples)

    def _as_long_as_each_other(self, samples: list[Any]) -> list[Any]:
        """Micro-batches padded as their batch would be: an answer is sought among the padding too, so it counts."""
        length = max(batch["input_ids"].shape[1] for batch in samples)
        return [
            {
                name: value if value.ndim == 1 else pad(value, (0, length - value.shape[1]), value=self.padding[name])
                for name, value in batch.items()
            }
            for batch in samples
        ]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """A micro-batch's share of the mean loss over the batch."""
        outputs = model(**inputs)
        loss = outputs["loss"]
        if num_items_in_batch is not None:
            loss = loss * (len(inputs["input_ids"]) / num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a mid-run checkpoint, and only then remove the one before it: a run may be killed at any moment."""
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            mark_whole(folder)
        except Exception as error:  # the operating system's, torch's or safetensors', which have no common class
            shutil.rmtree(folder, ignore_errors=True)
            if memory_is_short(error):
                raise
            raise cannot_write("a mid-run checkpoint", folder.parent, error) from None


class Watcher(TrainerCallback):  # type: ignore[misc]
    """Tells about each step, saves now and then, and stops the run after the step in which it was asked to."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._saved, self.stopped = watch, time.monotonic(), False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """After an optimiser step."""
        self.stopped = self._watch(state.global_step, state.max_steps) or self.stopped
        due = time.monotonic() - self._saved > SECONDS_BETWEEN_CHECKPOINTS
        if (due or self.stopped) and state.global_step < state.max_steps:
            control.should_save, self._saved = True, time.monotonic()
        control.should_training_stop = control.should_training_stop or self.stopped


def make_trainer(
    job: Job, model: Any, tokenizer: Any, rows: Any, work: Path, device: str, micro_batch: int, watch: Watch
) -> FineTuner:
    """A Trainer for one job.

    Args:
        job: recipe, seed and precision.
        model: with its head, weights loaded.
        tokenizer: pads batches to their longest example.
        rows: tokenised training examples.
        work: where the newest mid-run checkpoint lies.
        device: cuda, mps or cpu.
        micro_batch: examples in one forward pass; it divides the recipe's batch.
        watch: see `Watch`.
    """
    trainer = FineTuner(
        model=model,
        args=_arguments(job, work, device, micro_batch),
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=_multiple(job)),
        callbacks=[Watcher(watch)],
    )
    trainer.padding |= {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    for name in ("ProgressCallback", "PrinterCallback"):  # ours shows progress, and pytest owns the terminal
        for callback in [c for c in trainer.callback_handler.callbacks if type(c).__name__ == name]:
            trainer.remove_callback(callback)
    return trainer


def columns_of(model: Any, rows: Any) -> Any:
    """Rows with the columns only that a model's forward pass takes."""
    accepted = {*inspect.signature(model.forward).parameters, "labels"}
    if getattr(model.config, "type_vocab_size", 2) < 2:  # RoBERTa's forward takes token types and knows one
        accepted.discard("token_type_ids")
    return rows.select_columns([name for name in rows.column_names if name in accepted])


def _multiple(job: Job) -> int | None:
    """What lengths are padded to a multiple of, where that never makes one longer than the recipe's longest."""
    multiple = MULTIPLE[job.precision]
    return multiple if multiple and job.protocol.recipe.max_length % multiple == 0 else None


def _arguments(job: Job, work: Path, device: str, micro_batch: int) -> TrainingArguments:
    recipe = job.protocol.recipe
    if recipe.optimizer not in OPTIMIZERS or recipe.schedule not in SCHEDULES:
        raise Mistake(
            f"the recipe {job.protocol.name!r} asks for {recipe.optimizer} with a {recipe.schedule} schedule, and this "
            f"suite knows {', '.join(OPTIMIZERS)} and {' or '.join(SCHEDULES)}: correct baselines/recipes.json."
        )
    arguments = TrainingArguments(
        output_dir=str(work),
        seed=job.seed,
        data_seed=job.seed * SEED_SPACING,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=recipe.batch_size // micro_batch,
        per_device_eval_batch_size=EVALUATION_BATCH,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=SCHEDULES[recipe.schedule],
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        optim=OPTIMIZERS[recipe.optimizer],
        bf16=job.precision == "bf16",
        use_cpu=device == "cpu",
        dataloader_pin_memory=device == "cuda",
        save_strategy="no",  # the watcher says when
        save_total_limit=None,  # mark_whole keeps the newest alone, two of BERT's are 2.6 GB
        eval_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,  # nothing is logged, and it waits for the GPU after every forward pass
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=True,
    )
    arguments.mixed_precision = MIXED[job.precision]  # for fp32 it is whatever ACCELERATE_MIXED_PRECISION says, else
    if torch.cuda.device_count() > 1 and device == "cuda":
        arguments._n_gpu = 1  # else the Trainer spreads over all of them and multiplies the recipe's batch
    return arguments
