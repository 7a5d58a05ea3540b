"""Claims and verdicts made up for tests, whole but for what a test changes."""

from typing import Any

from judge.claims import Claim, Margin, Rule
from judge.verdicts import Outcome, Verdict


def claim(rule: Rule = "within", published: float = 50.0, margin: float = 1.0) -> Claim:
    """A claim about a score of the student, printed to a tenth of a point."""
    return Claim(
        id="made.up",
        title="A made-up claim",
        sentence="It is fifty.",
        where="nowhere",
        quantity="a score",
        published=published,
        precision=0.1,
        unit="points",
        rule=rule,
        margin=Margin(value=margin, name="point", reason="made up", fixed_on="2020-01-01"),
        about=("student",),
        marks=("slow",),
    )


def verdict(name: str, outcome: Outcome, **fields: Any) -> Verdict:
    """A verdict on DistilBERT's Score, with fields added or changed."""
    about: dict[str, Any] = {
        "title": "what the claim says in a few words",
        "reason": "the interval lies inside the bounds",
        "sentence": "reduce the size of a BERT model by 40%",
        "where": "Abstract; Table 3",
        "unit": "points",
        "rule": "within",
        "published": 77.0,
        "precision": 0.1,
        "margin": 1.6,
        "margin_reason": "seed: two standard deviations",
        "bounds": (75.4, 78.6),
    }
    return Verdict(id=name, verdict=outcome, **{**about, **fields})
