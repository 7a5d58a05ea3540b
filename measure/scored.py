"""Results of fine-tuning as measurements: every seed's metrics, with what they were made from."""

from collections.abc import Sequence

from judge.evidence import Dataset, Measurement, Model, Plain, RecipeUsed
from measure.host import describe_host
from measure.identity import model_identity
from measure.jobs import ENGINE, Job
from measure.results import Result


def measurements_of(jobs: Sequence[Job], results: Sequence[Result], look: int) -> list[Measurement]:
    """One measurement for each metric of each split, with a value for each seed.

    Args:
        jobs: the seeds of one model on one task.
        results: theirs, in the same order.
        look: 2 where seeds were added after a first verdict, else 1.
    """
    return [
        _measurement(jobs, results, look, split.name, quantity)
        for split in jobs[0].task.evaluation
        for _, quantity in split.quantities
    ]


def _measurement(jobs: Sequence[Job], results: Sequence[Result], look: int, split: str, quantity: str) -> Measurement:
    job, seeds = jobs[0], tuple(job.seed for job in jobs)
    return Measurement(
        quantity=quantity,
        model=Model(role=job.role, id=job.model.id, revision=job.model.revision, digest=model_identity(job.model)),
        dataset=Dataset(
            id=job.task.dataset,
            config=job.task.config,
            revision=job.task.revision,
            digest=job.data.digest,
            split=split,
            examples=min(result.examples[quantity] for result in results),
        ),
        recipe=_recipe(job),
        engine=ENGINE,
        precision=job.precision,
        unit="fraction",
        values=tuple(result.metrics[quantity] for result in results),
        seeds=seeds,
        planned=seeds,
        look=2 if look == 2 else 1,
        constant=tuple(job.seed for job, result in zip(jobs, results, strict=True) if result.constant),
        how=_how(results),
        duration_s=round(sum(result.provenance.duration_s for result in results), 1),
        note=_notes(results),
    )


def _recipe(job: Job) -> RecipeUsed:
    """The recipe as it was run: on a part of the data it is another one than the paper's."""
    name = job.protocol.name if job.limit is None else f"{job.protocol.name}, {job.limit} rows of each split"
    return RecipeUsed(name=name, values=job.protocol.recipe.values())


def _notes(results: Sequence[Result]) -> str | None:
    """What the runs had to say, and whether they ran elsewhere: a store can be carried from host to host."""
    here = describe_host()
    said = [note for result in results for note in result.provenance.notes]
    for host in [result.provenance.host for result in results]:
        if (host.cpu, host.gpu, host.memory) != (here.cpu, here.gpu, here.memory):
            said.append(f"run on another host than it was recorded on ({host.gpu or host.cpu or host.name})")
    return "; ".join(dict.fromkeys(said)) or None


def _how(results: Sequence[Result]) -> dict[str, Plain]:
    """What the runs were made on: a store can hold runs of several machines and versions."""
    made = [result.provenance for result in results]
    said = {
        "device": [(p.host.gpu if p.device == "cuda" else p.host.cpu) or p.device for p in made],
        "micro_batch": [str(p.micro_batch) for p in made],
        "torch": [p.versions.get("torch", "unknown") for p in made],
        "transformers": [p.versions.get("transformers", "unknown") for p in made],
    }
    return {name: ", ".join(dict.fromkeys(values)) for name, values in said.items()}
