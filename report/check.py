"""`python -m report check`: is a file whole, unedited, and what the baselines say it should be? A line per finding."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from judge.baselines import Baselines
from judge.evidence import SCHEMA_WITHOUT_DIGESTS, Evidence, digest, evidence_files, read_evidence, write_digests
from judge.files import Mistake, contents, read
from judge.pool import Pool
from judge.verdicts import SCHEMA, VerdictFile
from report.badges import plain, shortened
from report.check_evidence import evidence_findings
from report.check_verdicts import verdict_findings
from report.findings import Finding, remark, wrong

LONGEST_LINE = 500


def check(given: Sequence[Path], baselines: Baselines, *, add_digests: bool = False) -> list[Finding]:
    """Everything to say about these files, in the order given; whatever is wrong with one, the others are looked at.

    Args:
        given: evidence files and verdicts.json files, and folders of them.
        baselines: what they are held against.
        add_digests: whether to write digests into evidence that has none.
    """
    findings: list[Finding] = []
    evidence: dict[str, Evidence] = {}
    verdicts: dict[str, VerdictFile] = {}
    for path in _files(given, findings):
        try:
            if _kind(path) == "verdicts":
                verdicts[str(path)] = read(VerdictFile, path, schema=SCHEMA)
            else:
                if add_digests and write_digests(path):
                    findings.append(remark(str(path), "digests were written into it, as it had none"))
                evidence[str(path)] = read_evidence(path)
        except Mistake as mistake:
            findings.append(wrong("", str(mistake)))
    for name, record in evidence.items():
        if record.schema_ <= SCHEMA_WITHOUT_DIGESTS:
            what = "it was recorded before files carried digests, so that edits go unnoticed: --write-digests adds them"
            findings.append(remark(name, what))
        findings += evidence_findings(name, record, baselines)
    findings += _conflicts(evidence)
    digests = {digest(record): name for name, record in evidence.items()}
    for name, file in verdicts.items():
        findings += verdict_findings(name, file, baselines, digests)
    return findings


def lines(findings: Sequence[Finding], files: int) -> Iterator[str]:
    """A line for each finding, what is wrong before what is only remarked, and a count."""
    for finding in sorted(findings, key=lambda finding: not finding.wrong):
        text = ": ".join(part for part in (finding.place, finding.what) if part)
        yield shortened(plain(text if finding.wrong else f"remark: {text}"), LONGEST_LINE)
    bad = sum(finding.wrong for finding in findings)
    counts = [f"{bad or 'nothing'} wrong in {files} file{'s' * (files != 1)}"]
    if len(findings) > bad:
        counts.append(f"{len(findings) - bad} remark{'s' * (len(findings) - bad != 1)}")
    yield ", ".join(counts)


def _files(given: Sequence[Path], findings: list[Finding]) -> list[Path]:
    """The files to look at; a folder that holds none is a finding."""
    files: dict[Path, None] = {}
    for path in given:
        try:
            files |= dict.fromkeys(evidence_files([path]))
        except Mistake as mistake:
            findings.append(wrong("", str(mistake)))
    return list(files)


def _kind(path: Path) -> Literal["evidence", "verdicts"]:
    """What a file is, by what it holds; whatever is neither is read as evidence, which says what is wrong with it."""
    found = contents(path)
    if found == ["verdicts"]:
        return "verdicts"
    if found not in (None, ["evidence"]):
        raise Mistake(f"{path} holds neither measurements nor verdicts: give evidence, or verdicts.json of a run.")
    return "evidence"


def _conflicts(evidence: Mapping[str, Evidence]) -> Iterator[Finding]:
    """Whether two of the files disagree, as they would when they are judged together."""
    try:
        Pool(evidence.items())
    except Mistake as mistake:
        yield wrong("", str(mistake))
