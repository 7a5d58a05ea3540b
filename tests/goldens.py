"""Texts that are held against a file of tests/golden word for word.

After a change that is meant, UPDATE_GOLDEN=1 writes them anew; look at the difference before you commit it.
"""

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """Hold a text against tests/golden/NAME, or write it there where UPDATE_GOLDEN is set."""
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path.name} was written anew: look at the difference, and run again without UPDATE_GOLDEN")
    assert text == path.read_text(encoding="utf-8")
