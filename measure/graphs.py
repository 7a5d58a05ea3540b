"""A model as an ONNX graph: written by torch's exporter, quantized and run by ONNX Runtime on the processor.

torch, onnx and onnxruntime are imported when a graph is made.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def write(model: Any, length: int, path: Path) -> None:
    """Export a transformers classifier: input_ids to logits, for any length. Its weights are spent when this returns.

    Args:
        model: in evaluation mode, in fp32.
        length: tokens of the example it is traced with, 2 or more: a length of 1 would be taken for fixed.
        path: where the graph goes; the weights go beside it.

    Raises:
        torch.onnx.OnnxExporterError: the model's code cannot be traced, or its length is not free.
    """
    import torch

    class Logits(torch.nn.Module):
        """What comes out of a graph are tensors, not transformers' output objects."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, input_ids: Any) -> Any:
            return self.inner(input_ids=input_ids).logits

    example = (torch.full((1, length), model.config.vocab_size // 2),)
    # DYNAMIC, as AUTO would quietly fix a length that the model's code depends on.
    shapes = {"input_ids": {1: torch.export.Dim.DYNAMIC}}
    program = torch.onnx.export(Logits().eval(), example, path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    # The exporter's rewriting rules, which are global, hold on to the last graph: empty it, or its weights stay.
    assert program is not None
    assert program.exported_program is not None
    for tensor in program.exported_program.state_dict.values():
        tensor.data = tensor.new_empty(0)
    for value in program.model.graph.initializers.values():
        value.const_value = None


def quantize(source: Path, target: Path) -> None:
    """Weights of linear layers and embeddings in int8, by ONNX Runtime's own tool; inputs are quantized as they come.

    It takes 4.4 times the size of the fp32 weights at its peak (measured on BERT-base).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, target, weight_type=QuantType.QInt8)


def load(path: Path, threads: int) -> Callable[[Any], Any]:
    """A graph ready to be run: from torch's token numbers to torch's logits. The file is not needed any more.

    Spinning is off: idle threads that wait busily take a shared core from the one that works.
    """
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return lambda ids: torch.from_numpy(session.run(None, {name: ids.numpy()})[0])
