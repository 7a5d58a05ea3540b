"""Speed (abstract, section 4.1, Table 3): "60% faster", read as 1.6 times the speed of BERT-base."""

import pytest

from fixtures.latency import Stopwatch, synchronized
from fixtures.verdict import Bench


@pytest.mark.fast
@pytest.mark.claim("speed.cpu")
def test_60_percent_faster_on_a_cpu(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT's forward pass is 1.6 times as fast as BERT-base's on a CPU, batch 1, at STS-B's lengths."""
    verdict(latency(verdict.claim))


@pytest.mark.slow
@pytest.mark.claim("speed.cpu_full_pass")
def test_60_percent_faster_over_a_full_pass(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT takes 1/1.6 of BERT-base's time over STS-B's development set on a CPU, tokenisation included."""
    verdict(latency(verdict.claim))


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.benchmark(timer=synchronized)
@pytest.mark.claim("speed.gpu_batch1")
def test_60_percent_faster_on_a_gpu(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT's forward pass is 1.6 times as fast as BERT-base's on a GPU, batch 1."""
    verdict(latency(verdict.claim))


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.benchmark(timer=synchronized)
@pytest.mark.claim("speed.gpu_batch32")
def test_60_percent_faster_on_a_gpu_in_batches(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT's forward pass is 1.6 times as fast as BERT-base's on a GPU, batch 32."""
    verdict(latency(verdict.claim))


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.benchmark(timer=synchronized)
@pytest.mark.claim("speed.gpu_full_pass")
def test_60_percent_faster_on_a_gpu_over_a_full_pass(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT takes 1/1.6 of BERT-base's time over STS-B's development set on a GPU."""
    verdict(latency(verdict.claim))


@pytest.mark.slow
@pytest.mark.claim("speed.cpu_backends")
def test_60_percent_faster_whatever_the_backend(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT's forward pass is 1.6 times as fast as BERT-base's on a CPU in every way of running them."""
    parts = latency.backends(verdict.claim)
    verdict(parts, notes=latency.left_out)


@pytest.mark.slow
@pytest.mark.claim("speed.depth")
def test_fewer_layers_beat_narrower_ones_on_a_cpu(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT is faster than a model with 12 narrower layers and no more parameters, on a CPU, batch 1."""
    verdict(latency.depth(verdict.claim))


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.benchmark(timer=synchronized)
@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(1, marks=pytest.mark.claim("speed.depth_gpu_batch1"), id="batch1"),
        pytest.param(32, marks=pytest.mark.claim("speed.depth_gpu_batch32"), id="batch32"),
    ],
)
def test_fewer_layers_beat_narrower_ones_on_a_gpu(batch: int, latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT is faster than a model with 12 narrower layers and no more parameters, on a GPU."""
    assert (verdict.claim.setting or {})["batch"] == batch
    verdict(latency.depth(verdict.claim))


@pytest.mark.slow
@pytest.mark.claim("speed.phone")
def test_71_percent_faster_on_a_phone(latency: Stopwatch, verdict: Bench) -> None:
    """DistilBERT is 71 % faster than BERT-base on an iPhone 7 Plus."""
    verdict.cannot_run(latency.nearest_to_a_phone())
