"""How a rehearsal ends: which claims went through, which would not run and why, and what broke."""

from collections.abc import Iterator, Sequence

from judge.verdicts import Outcome, Verdict
from report.message import measured
from report.table import Line, cut, not_run, wrapped


def lines(verdicts: Sequence[Verdict], *, width: int = 120) -> Iterator[Line]:
    """The claims of a rehearsal as (text, colour) lines. Verdicts on miniatures say nothing, so none is shown.

    Args:
        verdicts: in the order of the baselines.
        width: columns of the terminal.
    """
    skipped = [v for v in verdicts if v.verdict is Outcome.NOT_RUN]
    broken = [v for v in verdicts if v.verdict is Outcome.ERROR]
    went = [v for v in verdicts if v not in skipped and v not in broken]
    yield from not_run(skipped, width)
    if went:
        yield f"went through ({len(went)})", Outcome.REPRODUCED.value
        names, values = max(len(v.id) for v in went), max(len(measured(v)) for v in went)
        for verdict in went:
            yield cut(f"  {verdict.id:<{names}}  {measured(verdict):<{values}}  {verdict.title}", width), ""
    if broken:
        yield f"{Outcome.ERROR} ({len(broken)})", Outcome.ERROR.value
        for verdict in broken:
            yield from wrapped(f"{verdict.id}: {verdict.reason}", width, "  ")
    yield "", ""
    counts = f"{len(went)} claims went through, {len(skipped)} not run, {len(broken)} errors"
    yield from wrapped(
        f"A rehearsal: {counts}. Its numbers come from miniatures or from little data, and none of them counts.",
        width,
        "",
    )
