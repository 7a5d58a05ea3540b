"""A verdict as properties of a JUnit report, for CI services that read nothing else."""

from judge.verdicts import Verdict
from report.badges import plain, shortened

# What a service shows in one cell of a table.
LONGEST = 1000
Property = tuple[str, str | float]


def properties(verdict: Verdict, paper: str) -> list[Property]:
    """Name and value of everything that decides what a verdict means; what a verdict lacks is left out.

    Numbers are in the claim's unit. `claim.interval` and `claim.bounds` hold two numbers with a space between, and
    `-` on a side that is open. Texts are one line without control characters, which XML forbids.

    Args:
        verdict: also one without a measurement: not run, or an error.
        paper: SHA-256 of baselines/paper.json, so that verdicts of two editions can be told apart.
    """
    known: list[tuple[str, str | float | None]] = [
        ("claim.id", verdict.id),
        ("claim.verdict", verdict.verdict.value),
        ("claim.value", verdict.value),
        ("claim.interval", _ends(verdict.interval)),
        ("claim.level", verdict.level),
        ("claim.published", verdict.published),
        ("claim.bounds", _ends(verdict.bounds)),
        ("claim.unit", verdict.unit),
        ("claim.marks", ", ".join(verdict.marks)),
        ("claim.contradiction", verdict.contradiction),
        ("claim.reason", verdict.reason),
        ("claim.evidence", ", ".join(verdict.evidence)),
        ("claim.paper", paper),
    ]
    return [
        (name, shortened(plain(value), LONGEST) if isinstance(value, str) else value)
        for name, value in known
        if value is not None and value != ""
    ]


def _ends(ends: tuple[float | None, float | None] | None) -> str | None:
    if ends is None or ends == (None, None):
        return None
    return " ".join("-" if end is None else repr(end) for end in ends)
