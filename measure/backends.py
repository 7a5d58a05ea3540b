"""The ways of running one architecture on a processor that "60 % faster" is held against, each ready to be timed.

Whatever runs a model, a pass is timed through `models.timed`, so that what surrounds a pass costs every backend alike.
torch, transformers and onnxruntime are imported when a model is built; `BACKENDS` can be read without them.
"""

import copy
import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from judge.files import Mistake, first_line
from measure import graphs, models

TORCH = ("torch", "transformers")
ONNX = (*TORCH, "onnxruntime", "onnx", "onnxscript")
QUANTIZER_ROOM = 4.4 / models.ROOM  # in sizes of the fp32 weights; `check_room` multiplies by its own factor


class Unavailable(Exception):
    """This machine cannot run a backend; the message is one sentence that says why, or what to install."""


@dataclass(frozen=True)
class Built(models.Timed):
    """A model that is ready to be timed, and the bytes of its weights as its backend holds them."""

    weight_bytes: int


@dataclass(frozen=True)
class Request:
    """What is to be built: a configuration, where real weights may lie, the lengths in tokens, the threads."""

    config: Any
    folder: str | None
    lengths: tuple[int, ...]
    threads: int


@dataclass(frozen=True)
class Backend:
    """One way of running a model.

    Attributes:
        name: the suffix of the quantities that are measured with it.
        title: what it is, in words.
        needs: libraries that must be installed, by the names they are imported by.
        extra: the extra of this project that installs them.
        build: makes a model ready; call it through `build`, which checks first and warms up after.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    extra: str
    build: Callable[[Request], Built]


def build(name: str, config: Any, folder: str | None, lengths: Iterable[int], threads: int) -> Built:
    """A model of a backend, every length run once: what is compiled or set up for a length is never timed.

    The threads are set for all of torch in this process. The configuration is copied, as transformers reads the
    attention implementation from it at every pass: models must not share it.

    Args:
        name: a key of `BACKENDS`.
        config: a transformers configuration that AutoModelForSequenceClassification knows.
        folder: a folder whose safetensors are used if they are at hand, or None for random weights.
        lengths: every length, in tokens, that will be run.
        threads: processor threads of one pass.

    Raises:
        NoRoom: it does not fit in memory.
        Unavailable: a library is missing, or this machine cannot run it.
        Mistake: the weights cannot be loaded, or the outputs are not finite.
    """
    backend = BACKENDS[name]
    if missing := [library for library in backend.needs if importlib.util.find_spec(library) is None]:
        install = f"pip install -e '.[{backend.extra}]'"
        raise Unavailable(f"{name} needs {' and '.join(missing)}, not installed here: {install}")
    import torch

    torch.set_num_threads(threads)
    request = Request(copy.deepcopy(config), folder, tuple(sorted(set(lengths))), threads)
    try:
        with _quiet():
            built = backend.build(request)
            _warm(name, built, request.lengths)
    except Exception as error:
        if _is_memory(error):
            raise models.NoRoom(f"the model does not fit in memory ({first_line(error)})") from None
        raise
    return built


def _warm(name: str, built: Built, lengths: Iterable[int]) -> None:
    for length in lengths:
        if not built.run(length).isfinite().all():
            raise Mistake(f"{name} gives outputs that are not finite on an input of {length} tokens.")


def _eager_mode(precision: str, attention: str | None = None) -> Callable[[Request], Built]:
    """torch, operation by operation, at a precision and with an attention implementation, the best if None."""

    def made(request: Request) -> Built:
        if precision == "bf16":
            _check_bf16()
        model, weights = _load(request, precision, attention)
        return _built(model, weights, request, model)

    return made


def _compiled(request: Request) -> Built:
    """torch.compile with a dynamic length. Its cache stays where torch keeps it and spares the next run a minute.

    Two silent ways out are closed: compiling no more after too many shapes, and compiling in a timed pass.
    """
    import torch
    import torch._dynamo

    model, weights = _load(request, "fp32")
    try:
        fast: Any = torch.compile(model, dynamic=True)
        built = _built(model, weights, request, _Named(model.config, lambda ids: fast(input_ids=ids).logits))
        with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
            _warm("compile", built, request.lengths)
        with torch.compiler.set_stance("fail_on_recompile"):
            _warm("compile", built, request.lengths)
    except (RuntimeError, torch._dynamo.exc.FailOnRecompileLimitHit) as error:
        if _is_memory(error):
            raise
        raise Unavailable(f"torch.compile fails here ({first_line(error)}); it needs a C++ compiler") from None
    return built


def _int8(request: Request) -> Built:
    """Torch's dynamic int8: weights of linear layers are quantized once, their inputs at every pass.

    Embeddings and normalisation stay in fp32, which is most of what a small encoder weighs.
    """
    import torch

    quantization: Any = getattr(torch.ao, "quantization", None)
    if not hasattr(quantization, "quantize_dynamic"):
        raise Unavailable(f"torch {torch.__version__} has no quantize_dynamic any more: install torch 2.13")
    if torch.backends.quantized.engine == "none":
        raise Unavailable("this build of torch has no int8 kernels: install another")
    model, weights = _load(request, "fp32")
    parameters = _parameters(model)
    # In place, each fp32 layer goes as its int8 one comes.
    quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
    return _built(model, weights, request, model, parameters=parameters)


def _onnx(int8: bool) -> Callable[[Request], Built]:
    """ONNX Runtime, in fp32 or with dynamic int8. The graph lies in a temporary folder while it is being loaded."""

    def made(request: Request) -> Built:
        try:
            with tempfile.TemporaryDirectory(prefix="distilbert-claims-") as folder:
                path = Path(folder, "fp32", "model.onnx")
                config, weights, parameters = _export(request, path)
                if int8:
                    models.check_room(parameters * models.FP32_BYTES * QUANTIZER_ROOM, "cpu")
                    source, path = path, Path(folder, "int8", "model.onnx")
                    path.parent.mkdir()
                    graphs.quantize(source, path)
                size = sum(file.stat().st_size for file in path.parent.iterdir())
                stand_in = _Named(config, graphs.load(path, request.threads))
        except OSError as error:
            raise Unavailable(
                f"the graph cannot be kept in {tempfile.gettempdir()} ({error.strerror or error})"
            ) from None
        return _built(None, weights, request, stand_in, parameters=parameters, size=size)

    return made


def _export(request: Request, path: Path) -> tuple[Any, str, int]:
    """Write a graph: the model's configuration, where its weights come from, its number of parameters."""
    import torch

    model, weights = _load(request, "fp32")
    parameters = _parameters(model)
    path.parent.mkdir()
    try:
        graphs.write(model, max((2, *request.lengths)), path)
    except torch.onnx.OnnxExporterError as error:
        raise Unavailable(f"{type(model).__name__} cannot be exported to ONNX ({first_line(error)})") from None
    return model.config, weights, parameters


@dataclass(frozen=True)
class _Named:
    """What `models.timed` needs of a model where there is no torch module to call."""

    config: Any
    logits: Callable[[Any], Any]

    def __call__(self, input_ids: Any) -> Any:
        return SimpleNamespace(logits=self.logits(input_ids))

    def parameters(self) -> tuple[()]:
        return ()


def _built(
    model: Any, weights: str, request: Request, called: Any, parameters: int | None = None, size: int | None = None
) -> Built:
    """Inputs for every length around what is called; parameters and bytes are the model's unless they are given."""
    timed = models.timed(called, weights, 1, request.lengths, "cpu")
    count = _parameters(model) if parameters is None else parameters
    return Built(timed.run, weights, count, _weight_bytes(model) if size is None else size)


def _load(request: Request, precision: str, attention: str | None = None) -> tuple[Any, str]:
    """`models.load` with the attention that is asked for, or else the best that the family has."""
    family = _family(request.config)
    has_sdpa = getattr(family, "_supports_sdpa", True)
    if attention == "sdpa" and not has_sdpa:
        raise Unavailable(f"transformers has no sdpa attention for {family.__name__}: use fp32_eager")
    longest = max(request.lengths, default=0)
    return models.load(request.config, request.folder, precision, "cpu", attention, longest=longest)


def _family(config: Any) -> Any:
    """The class of a configuration's models with a head for sequence classification."""
    import transformers

    families: Mapping[Any, Any] = transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
    if type(config) not in families:
        raise Unavailable(f"transformers has no sequence classification for {type(config).__name__}")
    return families[type(config)]


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _weight_bytes(model: Any) -> int:
    """Bytes of the parameters and of what quantized layers hold in their place: weight and bias, without padding."""
    held = list(model.parameters())
    # By name: where to import it from has moved before.
    for packed in (module for module in model.modules() if type(module).__name__ == "LinearPackedParams"):
        held += [tensor for tensor in packed._weight_bias() if tensor is not None]
    return sum(tensor.numel() * tensor.element_size() for tensor in held)


def _check_bf16() -> None:
    """Refuse a processor for which torch has no bf16 kernels. AVX512 without bf16 instructions has some, and slow."""
    import torch

    # No public name says this; without this one the question is left to the run.
    supported: Any = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    library: Any = torch.backends.mkldnn
    if supported is not None and not (library.is_available() and supported()):
        raise Unavailable("this processor, or this build of torch, has no bf16 kernels")


def _is_memory(error: BaseException) -> bool:
    """On a processor torch reports a lack of memory as it does other things; ONNX Runtime has errors of its own."""
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in ("allocate memory", "out of memory", "bad_alloc")
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what the tools say on the way: what is deprecated in them, what they advise."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


_EVERY = (
    Backend("fp32_sdpa", "torch, fp32, sdpa attention", TORCH, "run", _eager_mode("fp32", "sdpa")),
    Backend("fp32_eager", "torch, fp32, eager attention", TORCH, "run", _eager_mode("fp32", "eager")),
    Backend("bf16", "torch, bf16", TORCH, "run", _eager_mode("bf16")),
    Backend("compile", "torch.compile, fp32", TORCH, "run", _compiled),
    Backend("int8", "torch, linear layers in dynamic int8", TORCH, "run", _int8),
    Backend("onnx_fp32", "ONNX Runtime, fp32", ONNX, "onnx", _onnx(int8=False)),
    Backend("onnx_int8", "ONNX Runtime, dynamic int8", ONNX, "onnx", _onnx(int8=True)),
)
BACKENDS: dict[str, Backend] = {backend.name: backend for backend in _EVERY}
