"""What is measured for a claim: the names of its quantities, by the claim's id."""

from judge.baselines import GLUE, Baselines

COUNTED = ("encoder", "classification", "question_answering", "embeddings")


def quantities(claim: str, baselines: Baselines) -> tuple[set[str], tuple[str, ...]]:
    """Names, and beginnings of names, of the quantities that a claim is about."""
    group, *rest = claim.split(".")
    if group == "architecture":
        return {claim}, ()
    if group == "size":
        return {f"architecture.{part}" for part in COUNTED}, ()
    if claim == "speed.cpu_backends":  # one quantity for each backend
        return set(), (f"{claim}.",)
    if group == "speed":
        return {claim}, ()
    tasks = _tasks(group, rest[0] if rest else "", baselines)
    return {part.quantity for name in tasks for part in baselines.tasks[name].parts}, ()


def _tasks(group: str, part: str, baselines: Baselines) -> list[str]:
    """The tasks whose scores a claim is about: `squad.em.bert` is about one, `squad.gap` about both of SQuAD."""
    if group in ("glue", "distillation"):
        return [part] if part in GLUE else list(GLUE)
    if f"{group}_{part}" in baselines.tasks:
        return [f"{group}_{part}"]
    return [name for name in baselines.tasks if name == group or name.startswith(f"{group}_")]
