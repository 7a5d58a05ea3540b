"""A copy of the suite in a folder of its own, for tests that change its data or its claims and run pytest inside it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Never changed by a test, so linked: their compiled modules are shared, which saves a second for each inner run.
LINKED = ("fixtures", "judge", "measure", "report")
# What no inner run needs.
LEAN = ("-p", "no:cacheprovider", "-p", "no:anyio", "-p", "no:platformdirs")
COPIED = ("conftest.py", "pytest.ini", "baselines", "evidence")


class Project:
    """The suite at `path`, with all its claims or with none."""

    def __init__(self, path: Path, *, claims: bool = True) -> None:
        self.path = path
        (path / "tmp").mkdir()
        for name in LINKED:
            (path / name).symlink_to(ROOT / name)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, path / name)
        if claims:
            shutil.copytree(ROOT / "claims", path / "claims")
        else:
            (path / "claims").mkdir()
            (path / "claims" / "__init__.py").write_text("")

    def run(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run pytest in the copy, in a process of its own: two inner runs that import torch cannot share one."""
        return self.python("-m", "pytest", *LEAN, *arguments, timeout=timeout)

    def python(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy, with caches of its own and without a hub."""
        caches = {
            "XDG_CACHE_HOME": str(self.path / "caches"),
            "TMPDIR": str(self.path / "tmp"),  # whoever trains elsewhere on this machine is no concern of ours
            "HF_HUB_OFFLINE": "1",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.path,
            env={**os.environ, **caches},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def write_claims(self, text: str, name: str = "test_example.py") -> None:
        """Write a file of claims."""
        (self.path / "claims" / name).write_text(f"import pytest\n{text}")

    def change(self, name: str, change: Any) -> None:
        """Rewrite a JSON file of the copy through a function that changes its content in place.

        Evidence loses its digests, as if it had been recorded before there were any: else every change would be found.
        """
        path = self.path / name
        data = json.loads(path.read_text())
        if data.pop("digest", None):
            del data["digests"]
            data["schema"] = 1
        change(data)
        path.write_text(json.dumps(data))

    def verdicts(self, folder: str = "results") -> dict[str, dict[str, Any]]:
        """Every verdict in results/verdicts.json by its id."""
        verdicts: dict[str, dict[str, Any]] = json.loads((self.path / folder / "verdicts.json").read_text())["verdicts"]
        return verdicts

    def words(self, folder: str = "results") -> dict[str, str]:
        """The word of every verdict by its id."""
        return {name: verdict["verdict"] for name, verdict in self.verdicts(folder).items()}
