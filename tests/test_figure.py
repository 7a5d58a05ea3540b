"""benchmarks.backends: the README's figure is drawn from recorded pairs, and only from them."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.backends import main, rows
from tests import synthetic
from tests.project import ROOT

pytest.importorskip("matplotlib", reason="drawing needs matplotlib")


def test_the_figure_names_every_backend_in_text_that_can_be_selected(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "made.json")
    figures = [tmp_path / name for name in ("one.svg", "two.svg")]
    assert [main([str(tmp_path / "made.json"), str(figure)]) for figure in figures] == [0, 0]
    text = "".join(ElementTree.parse(figures[0]).getroot().itertext())
    for shown in ("fp32 sdpa", "int8", "1.595", "90 %"):
        assert shown in text
    assert figures[0].read_bytes() == figures[1].read_bytes()


def test_rows_are_the_recorded_ratios(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "made.json", wrong=True)
    found = rows(tmp_path / "made.json")
    assert [name for name, *_ in found] == ["fp32 sdpa", "int8"]
    assert all(low <= value <= high and value == pytest.approx(1.2, rel=0.02) for _, value, low, high in found)


def test_evidence_without_times_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(ROOT / "evidence" / "prior-study.json"), str(tmp_path / "x.svg")]) == 2
    said = capsys.readouterr().err
    assert "prior-study.json" in said
    assert "--runslow" in said
    assert not (tmp_path / "x.svg").exists()
