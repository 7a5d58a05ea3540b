"""One fine-tuning run, and the key that its result is stored under."""

import hashlib
import json
from dataclasses import dataclass

from judge.claims import Role
from judge.evidence import Plain
from measure.hub import Files
from measure.identity import model_identity
from measure.recipe import Protocol
from measure.tasks import FineTuned

# Raised when a change of this suite changes what a run comes out with.
ENGINE = "trainer/2"


@dataclass(frozen=True)
class Job:
    """A pre-trained model, a task, a seed, and how the one is fine-tuned on the other.

    `limit` keeps so many rows of every split, for rehearsals and tests; None is the whole data set.
    """

    task: FineTuned
    role: Role
    model: Files
    data: Files
    seed: int
    protocol: Protocol
    precision: str
    limit: int | None = None

    @property
    def key(self) -> str:
        """32 hexadecimal digits: equal for runs that must come out the same, wherever their files came from."""
        return _digest(self._made_of())

    @property
    def family(self) -> str:
        """The key without the seed: runs that differ by nothing else."""
        return _digest({name: value for name, value in self._made_of().items() if name != "seed"})

    def facts(self) -> dict[str, Plain]:
        """What the key is made of, and the names that a reader knows the model by."""
        names = {"role": self.role, "model": self.model.id, "revision": self.model.revision}
        return {**names, "recipe": self.protocol.name, **self._made_of()}

    def __str__(self) -> str:
        """As progress shows it."""
        return f"{self.model.id.rstrip('/').rsplit('/', 1)[-1]} on {self.task.label}, seed {self.seed}"

    def _made_of(self) -> dict[str, Plain]:
        made: dict[str, Plain] = {
            "engine": ENGINE,
            "task": self.task.name,
            "model_identity": model_identity(self.model),
            "data_digest": self.data.digest,
            "seed": self.seed,
            "precision": self.precision,
            "limit": self.limit,
        }
        return made | {f"recipe.{name}": value for name, value in self.protocol.recipe.values().items()}


def _digest(facts: dict[str, Plain]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
