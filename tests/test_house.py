"""The rules of the house, read off the source: who may import whom, how long things are, and what is never done."""

import ast
import json
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge.baselines import load_baselines
from tests.project import Project

ROOT = Path(__file__).parents[1]
# A room imports only what stands behind it here, and itself.
MAY_IMPORT = {
    "judge": set(),
    "report": {"judge"},
    "measure": {"judge"},
    "fixtures": {"measure", "report", "judge"},
    "claims": {"fixtures", "judge"},
}
OUTSIDE = {"tests", "conftest", "benchmarks"}
ROOMS = {*MAY_IMPORT, *OUTSIDE}
NEVER = {"judge": {"pytest", "_pytest", "torch", "transformers"}, "report": {"pytest", "_pytest", "torch"}}
# What costs seconds to import; --help and collection must not wait for it.
HEAVY = {"torch", "transformers", "datasets", "evaluate", "accelerate", "scipy", "pandas"}
LONGEST_MODULE, LONGEST_CONFTEST, LONGEST_FUNCTION, MOST_FUNCTIONS = 300, 200, 45, 25
# Its modules are about nothing but torch and transformers: they import them at the top, and nobody imports them there.
FINETUNING = Path("measure/finetuning")
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

MODULES = sorted(path.relative_to(ROOT) for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))
ALL = [*MODULES, *sorted(path.relative_to(ROOT) for path in (ROOT / "benchmarks").rglob("*.py")), Path("conftest.py")]
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").glob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, FUNCTION)]


def imported(node: ast.AST, *, inside_functions: bool = True) -> Iterator[str]:
    """The first names of the packages that a piece of source imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield (node.module or "").split(".")[0]
    for child in ast.iter_child_nodes(node):
        if inside_functions or not isinstance(child, FUNCTION | ast.Lambda):
            yield from imported(child, inside_functions=inside_functions)


def at_the_top(node: ast.AST) -> Iterator[str]:
    """Whole names of the modules that are imported as soon as a piece of source is."""
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTION | ast.Lambda):
            yield from at_the_top(child)


def out_of_place(room: str, tree: ast.AST) -> set[str]:
    """What a module of a room imports and may not."""
    return set(imported(tree)) & ((ROOMS - MAY_IMPORT[room] - {room}) | NEVER.get(room, set()))


def dangerous(tree: ast.AST) -> set[str]:
    """What can run code that comes with data: pickles, remote code, eval."""
    found = {f"import {name}" for name in imported(tree) if name in ("pickle", "cPickle", "dill", "cloudpickle")}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if (name := ast.unparse(call.func)) in ("eval", "torch.load", "yaml.load"):
            found.add(name)
        for keyword in call.keywords:
            if keyword.arg == "trust_remote_code" and ast.unparse(keyword.value) != "False":
                found.add("trust_remote_code")
    return found


def test_a_room_imports_only_rooms_below_it() -> None:
    assert {path: odd for path in MODULES if (odd := out_of_place(path.parts[0], parse(path)))} == {}


@pytest.mark.parametrize(
    ("room", "source", "found"),
    [
        ("judge", "from report.table import lines", {"report"}),
        ("judge", "def f():\n    import pytest", {"pytest"}),
        ("report", "import judge.files, measure.host", {"measure"}),
        ("measure", "from fixtures import record", {"fixtures"}),
        ("claims", "from measure.host import versions", {"measure"}),
        ("fixtures", "import conftest, torch", {"conftest"}),
        ("claims", "import pytest\nfrom judge.glue import GLUE", set()),
    ],
)
def test_the_rule_of_imports_sees_what_breaks_it(room: str, source: str, found: set[str]) -> None:
    assert out_of_place(room, ast.parse(source)) == found


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    for path in (path for path in ALL if path.parent != FINETUNING):
        tree = parse(path)
        assert HEAVY & set(imported(tree, inside_functions=False)) == set(), path
        assert not any(name.startswith(".".join(FINETUNING.parts)) for name in at_the_top(tree)), path


def test_the_rule_of_heavy_imports_looks_into_branches_but_not_into_functions() -> None:
    source = "try:\n    import torch\nexcept ImportError:\n    pass\ndef f():\n    import scipy.special"
    assert set(imported(ast.parse(source), inside_functions=False)) == {"torch"}


@pytest.mark.parametrize("room", NEVER)
def test_importing_a_room_brings_nothing_along_that_it_may_not_have(room: str) -> None:
    names = [".".join(path.with_suffix("").parts) for path in MODULES if path.parts[0] == room]
    unwanted = sorted(NEVER[room] | HEAVY)
    script = f"import sys, {', '.join(names)}; print(*set({unwanted!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize("room", sorted(MAY_IMPORT | {"benchmarks": set(), "tests": set()}))
def test_every_folder_is_a_package_that_says_what_it_is(room: str) -> None:
    for folder in (ROOT / room, *(path for path in (ROOT / room).rglob("*") if path.is_dir())):
        if any(folder.glob("*.py")):
            assert (folder / "__init__.py").is_file(), folder
            assert ast.get_docstring(parse(folder / "__init__.py")), folder


def test_every_module_can_be_read_in_one_sitting() -> None:
    for path in ALL:
        length = len((ROOT / path).read_text(encoding="utf-8").splitlines())
        assert length <= (LONGEST_CONFTEST if path.name == "conftest.py" else LONGEST_MODULE), path


def test_functions_are_short() -> None:
    lengths = {f"{path}:{node.lineno} {node.name}": _length(node) for path in ALL for node in functions(parse(path))}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= MOST_FUNCTIONS


def test_everything_public_is_described() -> None:
    for path in ALL:
        tree = parse(path)
        assert ast.get_docstring(tree), path
        assert [name for name, node in _public(tree) if not ast.get_docstring(node)] == [], path


def test_every_test_of_a_claim_says_what_is_claimed() -> None:
    tests = {f"{path}:{node.name}": node for path in MODULES if path.parts[0] == "claims" for node in _tests(path)}
    assert len(tests) > 30
    assert [name for name, node in tests.items() if not ast.get_docstring(node)] == []


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How many tests of claims/ carry each id in their `claim` mark; without a mark they count as None."""
    folder = tmp_path_factory.mktemp("collected")
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, str(folder / "ids.json"), str(folder / "results")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Counter(json.loads((folder / "ids.json").read_text()))


# pytest in pytest shares its plugins' state, so the claims are collected in a process of their own.
COLLECT = """
import json, pathlib, sys
import pytest

class Recorder:
    ids = []

    def pytest_itemcollected(self, item):
        mark = item.get_closest_marker("claim")
        self.ids.append(mark.args[0] if mark else None)

status = pytest.main(
    ["claims/", "--collect-only", "-q", "-p", "no:cacheprovider", f"--results={sys.argv[2]}"], plugins=[Recorder()]
)
pathlib.Path(sys.argv[1]).write_text(json.dumps(Recorder.ids))
sys.exit(status)
"""


def test_every_claim_has_exactly_one_test(marked: Counter[str]) -> None:
    claims = load_baselines(ROOT / "baselines").claims
    assert {name: marked[name] for name in claims if marked[name] != 1} == {}


def test_every_test_of_claims_decides_a_claim_of_the_data(marked: Counter[str]) -> None:
    assert set(marked) - set(load_baselines(ROOT / "baselines").claims) == set()


@pytest.mark.parametrize("options", [[], ["--results=kept/here"]], ids=["default", "named"])
def test_collecting_claims_creates_no_folder_of_results(options: list[str], tmp_path: Path) -> None:
    project = Project(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    done = project.run("claims/", "--collect-only", "-q", *options)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "claims/test_size.py::" in done.stdout
    # Python's and pytest-benchmark's own folders are not ours.
    assert {path.name for path in tmp_path.iterdir()} - before <= {"__pycache__", ".benchmarks"}


# The same mistake in a claim's test, where it is an outcome, and elsewhere, where it is an exception like any other.
CLAIM = """
from judge.files import Mistake

@pytest.mark.fast
@pytest.mark.claim("size.student")
def test_claim(verdict):
    raise Mistake("the claim's words.")
"""
ELSEWHERE = """
import pytest
from judge.files import Mistake

@pytest.fixture
def broken():
    raise Mistake("the fixture's words.")

def test_call():
    raise Mistake("the test's words.")

def test_setup(broken):
    pass

@pytest.mark.xfail(raises=Mistake, strict=True)
def test_expected():
    raise Mistake("expected words.")
"""


@pytest.mark.parametrize("claims", [[], ["claims/"]], ids=["alone", "beside claims"])
def test_a_mistake_in_a_test_outside_the_claims_is_left_alone(claims: list[str], tmp_path: Path) -> None:
    project = Project(tmp_path, claims=False)
    # In a file of its own name: the whole folder would have to hold a test for every claim.
    project.write_claims(CLAIM)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "test_other.py").write_text(ELSEWHERE)
    files = [f"{folder}test_example.py" for folder in claims]
    said = project.run("elsewhere/", *files, crash=True).stdout
    assert said.count("E       judge.files.Mistake: the test's words.") == 1, said
    assert said.count("E       judge.files.Mistake: the fixture's words.") == 1, said
    assert "error: the test's words." not in said
    assert "error: the fixture's words." not in said
    assert re.search(rf"= {1 + len(files)} failed, 1 xfailed, 1 error in ", said), said
    assert ("error: the claim's words." in said) == bool(files)
    assert "Mistake: the claim's words." not in said


def test_nothing_runs_code_that_comes_with_data() -> None:
    assert {path: found for path in [*ALL, *TESTS] if (found := dangerous(parse(path)))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load('a')",
        "yaml.load(text)",
        "eval('1')",
        "AutoConfig.from_pretrained('a', trust_remote_code=True)",
        "AutoConfig.from_pretrained('a', trust_remote_code=trusted)",
    ],
)
def test_the_rule_of_danger_sees_what_breaks_it(source: str) -> None:
    assert len(dangerous(ast.parse(source))) == 1
    assert dangerous(ast.parse("model.eval(); f(trust_remote_code=False); json.load(file)")) == set()


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    # Put together here, or this file would be the one that is found.
    folders = "/".join(("", "work", "")), "/".join(("", "tmp", "w"))
    machine = re.compile(rf"{folders[0]}|{folders[1]}(?![\w.-])")
    assert machine.search(f"cd {folders[0]}main")
    assert machine.search(f"PATH={folders[1]}/bin")
    found = [name for name in _kept_files() if machine.search((ROOT / name).read_text("utf-8", errors="replace"))]
    assert found == []


def _kept_files() -> list[str]:
    """Every file that is tracked by git, or will be."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout to know which files are the project's")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def _tests(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in functions(parse(path)) if node.name.startswith("test_")]


def _public(
    tree: ast.Module | ast.ClassDef,
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Public functions and classes of a module, and their public methods."""
    for node in tree.body:
        if isinstance(node, FUNCTION | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)
