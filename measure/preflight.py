"""What must be true of a host before the first job: device, memory, hub, rows of the data sets, models that load."""

from collections.abc import Collection

from judge.files import Mistake, first_line
from measure.downloads import endpoint, hub_trouble
from measure.host import describe_host
from measure.hub import Files
from measure.models import free_memory
from measure.tasks import FineTuned


def device_line(device: str, precision: str) -> str:
    """The device with its memory, and the arithmetic that jobs use on it."""
    import torch

    if device != "cuda":
        return f"{device}, {precision}, {torch.get_num_threads()} threads"
    free, total = torch.cuda.mem_get_info()
    name, number = torch.cuda.get_device_name(0), torch.cuda.device_count()
    others = f"; {number - 1} more, see the README on several GPUs" if number > 1 else ""
    return f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free, {precision}{others}"


def machine_line() -> str:
    """Processor, how many of them this process may use, and memory."""
    host, free = describe_host(), free_memory()
    memory = "" if free is None else f", {free / 2**30:.0f} GiB of memory free"
    return f"{host.cpu}, {host.cores} processors{memory}"


def hub_line() -> str:
    """Whether the hub can be asked, and whether as somebody."""
    if trouble := hub_trouble():
        return f"{trouble}: what is not here stays away"
    from huggingface_hub import get_token

    return f"{endpoint()} answers, asked {'with' if get_token() else 'without'} an access token"


def check_rows(task: FineTuned, files: Files) -> str:
    """The number of rows of each split, read from the files' footers.

    Args:
        task: how many rows there must be.
        files: its parquet files.

    Raises:
        Mistake: a file cannot be read, or a split has another number of rows than the official one.
    """
    from pyarrow import parquet

    found = []
    for split in task.splits:
        rows, where = 0, f"{task.dataset} ({task.config}, {split.name})"
        for path in [path for name, path in files.paths if name.startswith(f"{split.name}-")]:
            try:
                rows += parquet.read_metadata(path).num_rows
            except Exception as error:  # pyarrow's own, whose kinds differ from version to version
                raise Mistake(f"{where} cannot be read from {path} ({first_line(error)}): download it again.") from None
        if rows != split.rows:
            raise Mistake(f"{where} has {rows:,} rows and the official one {split.rows:,}: download it again.")
        found.append(f"{rows:,}")
    return f"{task.label} {'+'.join(found)}"


def check_model(files: Files, tasks: Collection[tuple[FineTuned, int]]) -> None:
    """Load tokenizer and weights with each kind of head that will be needed, before hours depend on it.

    Args:
        files: the model's.
        tasks: what it is fine-tuned on, each with the length in tokens that the recipe asks for.

    Raises:
        Mistake: as `measure.finetuning.pretrained`, in the words that a job would end with, or memory is short.
    """
    from measure.finetuning.pretrained import check_vocabulary, load_model, load_tokenizer
    from measure.finetuning.room import memory_is_short
    from measure.finetuning.run import quiet

    quiet()
    tokenizer = load_tokenizer(files)
    # The longest last, so that it is the one that stands for its kind of head.
    heads = {(task.kind, task.outputs): (task, length) for task, length in sorted(tasks, key=lambda pair: pair[1])}
    for task, length in heads.values():
        try:
            model, _ = load_model(files, task, length)
        except (MemoryError, RuntimeError) as error:
            if not memory_is_short(error):
                raise
            raise Mistake(f"{files.id} does not fit in memory ({first_line(error)}): use a larger machine.") from None
        check_vocabulary(files, tokenizer, model)


def size_of(files: Files) -> int:
    """Bytes on disk."""
    return sum(path.stat().st_size for _, path in files.paths)
