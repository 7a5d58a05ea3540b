"""measure.backends: every way of running a model gives the same answers from the same weights.

Everything runs on miniatures, one of them with torch.compile. Two cores that others use too took 54 s.
"""

import importlib.util
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="running models needs torch and transformers")
from judge.baselines import load_baselines  # noqa: E402
from judge.files import Mistake  # noqa: E402
from measure import backends, graphs, models  # noqa: E402
from measure.backends import BACKENDS, Built, Unavailable, build  # noqa: E402
from measure.configuration import pinned_config  # noqa: E402
from tests.project import ROOT  # noqa: E402

CARDS = load_baselines(ROOT / "baselines").models
TEACHER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
STUDENT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
# 1 is a shape of its own to a compiler, 2 equals the number of heads, 9 comes back, 32 equals the width.
LENGTHS = [9, 1, 2, 32, 9]
# fp32 differs by the order of its sums. bf16 keeps 8 bits (2^-8 = 0.4 %) and int8 takes steps of 1/127 of the largest
# value (0.8 %), at a dozen linear layers in a row: some percent of logits of 0.02 to 0.03, which differ by 0.005 and
# more between lengths. Measured at worst: 4e-9 (fp32), 1.5e-4 (bf16), 5.3e-4 (int8); other processors round otherwise.
EXACT, ROUNDED = 1e-6, 1.5e-3
CLOSE = {name: ROUNDED if name in ("bf16", "int8", "onnx_int8") else EXACT for name in BACKENDS}
FAST = [name for name in BACKENDS if name != "compile"]
PER_PARAMETER = {"onnx_fp32": 4, "onnx_int8": 1}


def lengths(name: str) -> list[int]:
    """What is run of a backend: 1 is left out where it means compiling all of the model a second time."""
    return [length for length in LENGTHS if length > 1 or name != "compile"]


def config(side: str) -> Any:
    made = pinned_config(CARDS.teacher if side == "teacher" else CARDS.student)
    for name, value in (TEACHER if side == "teacher" else STUDENT).items():
        setattr(made, name, value)
    if side == "one layer":
        made.n_layers = 1
    made.vocab_size = 60
    made.max_position_embeddings = 40
    return made


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """torch's threads are the whole process's: the next test gets them back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made() -> Any:
    """A backend of a model, built once; a test that needs one this machine cannot run is skipped with the reason."""
    kept: dict[tuple[str, str], Built] = {}

    def get(name: str, side: str) -> Built:
        try:
            if (name, side) not in kept:
                kept[name, side] = build(name, config(side), None, lengths(name), 1)
            return kept[name, side]
        except Unavailable as error:
            pytest.skip(str(error))

    return get


# The teacher's graph takes twice as long as the student's, and is made in the same way.
EVERY = [(name, "student") for name in FAST] + [
    pytest.param(name, side, marks=pytest.mark.full)
    for name, side in [*((name, "teacher") for name in FAST), ("compile", "one layer")]
]


@pytest.mark.parametrize(("name", "side"), EVERY)
def test_every_backend_agrees_with_eager_attention_at_every_length(name: str, side: str, made: Any) -> None:
    # From the same list of lengths, as what the inputs hold depends on it.
    built, reference = made(name, side), build("fp32_eager", config(side), None, lengths(name), 1)
    for length in lengths(name):
        logits = built.run(length).float()
        assert logits.shape == (1, 1)
        assert logits.isfinite().all()
        torch.testing.assert_close(logits, reference.run(length), rtol=0, atol=CLOSE[name])
    assert (built.weights, built.parameters) == (reference.weights, reference.parameters)
    assert built.weights.startswith("random")


@pytest.mark.parametrize("side", ["teacher", "student"])
def test_outputs_differ_by_more_than_their_tolerance_between_lengths(side: str, made: Any) -> None:
    logits = [float(made("fp32_eager", side).run(length)) for length in set(LENGTHS)]
    assert max(logits) - min(logits) > 2 * ROUNDED


@pytest.mark.parametrize("side", ["teacher", "student"])
def test_weights_take_the_bytes_of_their_precision(side: str, made: Any) -> None:
    sizes = {name: made(name, side).weight_bytes for name in ("fp32_sdpa", "fp32_eager", "bf16", "int8")}
    parameters = made("fp32_sdpa", side).parameters
    assert sizes["fp32_sdpa"] == sizes["fp32_eager"] == 4 * parameters
    assert sizes["bf16"] == 2 * parameters
    # All of a miniature but a few embeddings are linear layers. In DistilBERT the embeddings, which stay in fp32,
    # weigh so much that int8 takes 139 MB and bf16 134.
    model, _ = models.load(config(side), None, "fp32", "cpu")
    linear = sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
    assert sizes["int8"] == 4 * parameters - 3 * linear
    assert sizes["int8"] < sizes["bf16"] < sizes["fp32_sdpa"]


@pytest.mark.parametrize("name", PER_PARAMETER)
def test_onnx_keeps_to_its_threads_and_leaves_nothing_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    sessions = []

    def session(*arguments: Any, **named: Any) -> Any:
        sessions.append(real(*arguments, **named))
        return sessions[-1]

    real = runtime.InferenceSession
    monkeypatch.setattr(runtime, "InferenceSession", session)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    wide = config("student")
    # Wide enough for the weights to outweigh the graph's own text.
    wide.dim, wide.hidden_dim = 128, 512
    built = build(name, wide, None, [3, 5], 2)
    # The quantizer has sessions of its own.
    options = sessions[-1].get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert torch.get_num_threads() == 2
    assert list(tmp_path.iterdir()) == []
    assert built.run(5).isfinite().all()
    assert 1 <= built.weight_bytes / (built.parameters * PER_PARAMETER[name]) < 1.6


def test_nothing_stays_behind_where_an_export_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch.onnx, "export", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Unavailable, match=f"{tmp_path}.*No space left on device"):
        build("onnx_fp32", config("student"), None, [3], 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", BACKENDS)
def test_a_missing_library_is_named_with_what_installs_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = BACKENDS[name].needs[-1]
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda library: None if library == absent else found(library))
    monkeypatch.setattr(backends, "BACKENDS", {name: BACKENDS[name]})
    with pytest.raises(Unavailable) as raised:
        build(name, config("student"), None, [3], 1)
    missing = [library for library in BACKENDS[name].needs if library == absent or not found(library)]
    install = f"pip install -e '.[{BACKENDS[name].extra}]'"
    assert all(word in str(raised.value) for word in (f"{name} ", *missing, install))


def test_extras_and_names_are_those_of_the_project() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name, backend in BACKENDS.items():
        assert name == backend.name
        lines = [*extras["run"], *extras[backend.extra]]
        assert set(backend.needs) <= {re.split(r"[<>=~!\[]", line)[0].strip() for line in lines}, name


def test_a_processor_without_bf16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(Unavailable, match="bf16 kernels"):
        build("bf16", config("student"), None, [3], 1)


def test_a_torch_without_int8_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ao, "quantization", SimpleNamespace())
    with pytest.raises(Unavailable, match=r"\bquantize_dynamic\b.*\btorch 2\.13\b"):
        build("int8", config("student"), None, [3], 1)


@pytest.mark.full
def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config as inductor

    # The setting is read when a kernel is built, so a graph that no other test has compiled is needed.
    monkeypatch.setattr(inductor.cpp, "cxx", (None, "/nowhere/g++"))
    small = config("one layer")
    small.hidden_dim = 48
    with torch._inductor.utils.fresh_cache(), pytest.raises(Unavailable, match=r"\btorch\.compile\b.*\bC\+\+ compiler"):
        build("compile", small, None, [3], 1)


@pytest.mark.full
def test_shapes_that_would_not_be_compiled_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = torch.compile
    # Dynamo does everything but generate code here, which is what takes the time.
    monkeypatch.setattr(torch, "compile", lambda model, dynamic: compiled(model, dynamic=dynamic, backend="eager"))
    small = config("one layer")
    assert build("compile", small, None, [1, 9], 1).run(9).isfinite().all()
    torch._dynamo.reset()
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 1)
    with pytest.raises(Unavailable, match=r"\btorch\.compile\b.*\bC\+\+ compiler"):
        build("compile", small, None, [1, 9], 1)


def test_a_family_without_sdpa_or_without_a_head_is_told() -> None:
    from transformers import DebertaV2Config, ViTConfig

    deberta = DebertaV2Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    deberta.vocab_size = 60
    with pytest.raises(Unavailable, match=r"\bsdpa\b.*\bDebertaV2ForSequenceClassification\b.*\bfp32_eager\b"):
        build("fp32_sdpa", deberta, None, [3], 1)
    assert build("fp32_eager", deberta, None, [3], 1).weight_bytes > 0
    with pytest.raises(Unavailable, match=r"\bclassification\b.*\bViTConfig\b"):
        build("fp32_eager", ViTConfig(), None, [3], 1)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 TB")])
def test_a_lack_of_memory_is_no_error_of_torchs(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(models, "load", load)
    for name in ("fp32_sdpa", "int8", "compile"):
        with pytest.raises(models.NoRoom, match="memory"):
            build(name, config("student"), None, [3], 1)


def test_the_quantizer_is_not_started_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    parameters = build("fp32_sdpa", config("student"), None, [3], 1).parameters
    monkeypatch.setattr(graphs, "write", lambda *_: None)
    # Enough for the model, which needs 2.2 times its size, and too little for the quantizer's 4.4 times.
    monkeypatch.setattr(models, "free_memory", lambda: 4 * 4 * parameters)
    with pytest.raises(models.NoRoom, match="GiB"):
        build("onnx_int8", config("student"), None, [3], 1)


def test_real_weights_are_used_and_their_outputs_must_be_finite(tmp_path: Path) -> None:
    model, _ = models.load(config("student"), None, "fp32", "cpu")
    with torch.no_grad():
        model.classifier.bias.fill_(3.0)
    model.save_pretrained(tmp_path)
    built = build("fp32_sdpa", config("student"), str(tmp_path), [3], 1)
    assert built.weights == "real"
    assert float(built.run(3)) == pytest.approx(3.0, abs=0.2)
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    model.save_pretrained(tmp_path)
    with pytest.raises(Mistake, match=r"\bfp32_sdpa\b.*\bfinite\b.*\b3\b"):
        build("fp32_sdpa", config("student"), str(tmp_path), [3], 1)


def test_a_configuration_is_left_as_it_was() -> None:
    # transformers would note the attention in it, and a second model would change the first one's.
    given = config("student")
    before = json.dumps(given.to_dict(), sort_keys=True, default=str), given._attn_implementation
    build("fp32_eager", given, None, [3], 1)
    assert (json.dumps(given.to_dict(), sort_keys=True, default=str), given._attn_implementation) == before
