"""This process as a client of the small hub, and the sentences that it says where something is not to be had."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from judge.files import Mistake
from measure import downloads
from measure.downloads import Absent
from tests.hubserver import Hub, serving

# What is read of a file at a time, in bytes, and kept where the connection is cut.
CHUNK = 1000


@contextmanager
def connected(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that this process takes for the real one, with an empty cache in `home`; its client does not wait."""
    from huggingface_hub import constants

    with serving() as hub:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "no token"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        # Its own, as the server sleeps too.
        for module in ("file_download", "utils._http"):
            monkeypatch.setattr(f"huggingface_hub.{module}.time", SimpleNamespace(sleep=lambda _: None))
        monkeypatch.setattr(downloads, "PAUSES", (0.0, 0.0))
        forget()
        yield hub
    forget()


def forget() -> None:
    """Know nothing of the hub, as a new process."""
    downloads.hub_trouble.cache_clear()
    downloads._listed.cache_clear()
    downloads._failures.clear()


def model_in(folder: Path, **files: str) -> Path:
    """A folder with what a model consists of; nobody loads it here."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"config.json": "{}", "vocab.txt": "a", "tokenizer_config.json": '{"a": 1}', "model.safetensors": "weights"}
    for name, text in {**names, **files}.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def split_in(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return [folder / name for name in names]


def absence(action: Callable[..., Any], *arguments: Any, **more: Any) -> str:
    with pytest.raises(Absent) as absent:
        action(*arguments, **more)
    return str(absent.value)


def refused(action: Callable[..., Any], *arguments: Any, **more: Any) -> str:
    with pytest.raises(Mistake) as mistake:
        action(*arguments, **more)
    said = str(mistake.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said
