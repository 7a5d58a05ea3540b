"""How often a set of runs was judged: seeds may be added once after a first verdict, and both looks count as two.

Adding seeds until a verdict comes out as hoped is wrong 17 % of the time where 5 % are promised.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from judge.files import Mistake, write
from measure.cachefolder import CacheFolder, to_stderr

# The sets of seeds that were judged, in that order.
Seeds = Annotated[list[int], Field(min_length=1)]
SEEN: TypeAdapter[list[Seeds]] = TypeAdapter(Annotated[list[Seeds], Field(min_length=1, max_length=3)])


@dataclass(frozen=True)
class Looks:
    """The sets of seeds that runs of one family were judged with.

    `folder` lies inside the store's, `family` is the key of the runs without their seed, `planned` are the recipe's
    seeds: they were not chosen after seeing a result, so they may be judged whatever was judged before. `on_wait` is
    told in a sentence where another process has the file.
    """

    folder: Path
    family: str
    planned: tuple[int, ...] = ()
    on_wait: Callable[[str], None] = to_stderr

    def allow(self, seeds: Sequence[int], what: str) -> list[list[int]]:
        """Find out before hours of training whether these seeds may be judged; nothing is written down.

        Args:
            seeds: the seeds that are judged together.
            what: the runs in words, for the message.

        Returns:
            The sets of seeds that were judged so far.

        Raises:
            Mistake: two other sets of seeds were judged before, or the file that says so cannot be read.
        """
        seen = _seen(self._path)
        if len(seen) >= 2 and sorted(seeds) not in seen and sorted(seeds) != sorted(self.planned):
            first, second = (", ".join(map(str, known)) for known in seen[:2])
            raise Mistake(
                f"{what} was judged with the seeds {first} and with {second}: a third choice of seeds would be no "
                "test any more, so give --seeds one of these, or leave it out for the recipe's own."
            )
        return seen

    def take(self, seeds: Sequence[int], what: str) -> int:
        """Write down that these seeds are judged, and say how many looks there have been at such runs: one or two.

        Once there are two, the first set of seeds counts as two looks as well: who may choose between two verdicts
        has taken two chances. Args and Raises as `allow`, or the file cannot be written.
        """
        seen = self.allow(seeds, what)
        if sorted(seeds) not in seen:  # else a store that cannot be written to would do
            with CacheFolder(self.folder.parent, self.on_wait).lock(f"look-{self.family}", "the seeds judged together"):
                seen = self.allow(seeds, what)
                if sorted(seeds) not in seen:
                    seen.append(sorted(seeds))
                    write(self._path, json.dumps(seen) + "\n")
        return min(len(seen), 2)

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.family}.json"


def _seen(path: Path) -> list[list[int]]:
    try:
        return SEEN.validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        raise Mistake(
            f"{path} cannot be read: remove it, and say in your report that seeds may have been added."
        ) from None
