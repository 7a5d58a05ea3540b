"""judge.files: a file is there whole or not at all, and a mistake in one is said in a sentence."""

import errno
import json
import os
import re
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from judge.files import Mistake, Record, pretty, read, write

TECHNICAL = re.compile(r"Traceback|Error|Exception|\[Errno|File \"|object at 0x|pydantic", re.IGNORECASE)


class Leaf(Record):
    """An entry of the file."""

    id: str
    count: Annotated[int, Field(gt=0)] = 1


class Tree(Record):
    """A file with entries."""

    schema_: Annotated[int, Field(alias="schema")]
    leaves: tuple[Leaf, ...] = ()


def complaint(path: Path, schema: int | None = None) -> str:
    with pytest.raises(Mistake) as mistake:
        read(Tree, path, schema=schema)
    return str(mistake.value)


def refused(path: Path, text: str = "new") -> str:
    with pytest.raises(Mistake) as mistake:
        write(path, text)
    return str(mistake.value)


def assert_one_sentence(text: str) -> None:
    assert re.search(r"[^.?!][.?]$", text), "that ends with no full stop, or with two"
    assert "\n" not in text
    assert not re.search(r"[.?!] +[A-Z]", text), "that is more than one sentence"
    assert not TECHNICAL.search(text)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "tree.json"
    tree = Tree(schema_=1, leaves=(Leaf(id="élan", count=3),))
    write(path, pretty(tree))
    assert read(Tree, path, schema=1) == tree
    assert path.read_bytes().endswith(b"}\n")


def test_written_file_can_be_read_by_others(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "{}")
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


def test_stored_form_keeps_the_order_of_the_record_and_leaves_defaults_out() -> None:
    text = pretty(Tree(schema_=1, leaves=(Leaf(id="a"),)))
    assert text == '{\n  "schema": 1,\n  "leaves": [\n    {\n      "id": "a"\n    }\n  ]\n}\n'


@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace"), (Path, "chmod")])
def test_a_write_that_fails_leaves_the_old_file_whole(
    owner: object, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.json"
    write(path, "old")
    monkeypatch.setattr(owner, name, full_disk)
    said = refused(path)
    assert all(word in said for word in (str(path), "No space left on device", "room"))
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.json", "old")]


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.json"
    write(path, "old")
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, "new")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.json", "old")]


def test_until_it_is_renamed_the_new_text_is_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    rename = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.update({"old": target.read_text(), "new": self.read_text(), "folder": self.parent})
        return rename(self, target)

    path = tmp_path / "a.json"
    write(path, "old")
    monkeypatch.setattr(Path, "replace", watched)
    write(path, "new")
    assert seen == {"old": "old", "new": "new", "folder": tmp_path}
    assert path.read_text() == "new"


# A path below a regular file cannot be written to even by root, whom permissions do not stop.
@pytest.mark.parametrize("below", ["a.json", "folder/a.json"])
def test_a_folder_that_cannot_be_written_to_is_a_mistake(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = refused(tmp_path / "file" / below)
    assert str(tmp_path / "file" / below) in said
    assert "folder" in said.replace(str(tmp_path / "file" / below), "")
    assert_one_sentence(said)


def test_a_folder_of_that_name_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    assert_one_sentence(refused(tmp_path / "a.json"))
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    said = complaint(tmp_path / "no.json")
    assert str(tmp_path / "no.json") in said
    assert "exist" in said
    assert_one_sentence(said)


def test_a_folder_instead_of_a_file_is_named(tmp_path: Path) -> None:
    said = complaint(tmp_path)
    assert str(tmp_path) in said
    assert "Is a directory" in said
    assert_one_sentence(said)


READ: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "not UTF-8": (b"\xff\xfe{", ("UTF-8",)),
    "not JSON": (b'{"schema": }', ("JSON", "line 1", "column 12")),
    "empty": (b"", ("JSON", "line 1", "column 1")),
    "newer schema": (b'{"schema": 3}', ("schema 3", " 2", "update")),
    "no schema": (b'{"schema": 0}', ("schema 0", " 1")),
    "less than none": (b'{"schema": -1}', ("schema -1", " 1")),
    "list": (b"[]", ("/schema",)),
    "missing schema": (b"{}", ("/schema",)),
    "schema in words": (b'{"schema": "1"}', ("/schema",)),
    "schema true": (b'{"schema": true}', ("/schema",)),
    "misspelt key": (
        b'{"schema": 1, "leaves": [{"id": "a"}, {"id": "b", "cuont": 2}]}',
        ("/leaves/1/cuont", "(b)", "'count'"),
    ),
    "misspelt key that is needed": (b'{"schema": 1, "leaves": [{"idd": "a"}]}', ("/leaves/0/idd", "'id'")),
    "key with a slash": (b'{"schema": 1, "a/b~c": 1}', ("/a~1b~0c", "'a/b~c'")),
    "unknown key": (b'{"schema": 1, "weather": "fine"}', ("/weather", "'weather'")),
    "missing key": (b'{"schema": 1, "leaves": [{}]}', ("/leaves/0/id", "'id'")),
    "text for a number": (
        b'{"schema": 1, "leaves": [{"id": "b", "count": "2"}]}',
        ("/leaves/0/count", "(b)", "integer"),
    ),
    "three mistakes": (
        b'{"schema": 1, "leaves": [{"id": "b", "count": 0}, {"id": "c", "count": -1}, {}]}',
        ("/leaves/0/count", "(b)", " 0", "2 more"),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_every_mistake_in_a_file_is_one_sentence(name: str, tmp_path: Path) -> None:
    content, words = READ[name]
    path = tmp_path / "tree.json"
    path.write_bytes(content)
    found = complaint(path, schema=2)
    assert all(word in found for word in (str(path), *words)), found
    assert bool(re.search(r"\d more", found)) == (name == "three mistakes")
    assert_one_sentence(found)


def test_a_second_mistake_is_counted_and_a_slip_only_once(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text('{"schema": 1, "leaves": [{"idd": "a"}, {"id": "b", "count": 0}]}')
    said = complaint(path, schema=2)
    assert all(word in said for word in (str(path), "/leaves/0/idd", "'id'", "1 more"))
    assert_one_sentence(said)


def test_a_mistake_of_the_whole_file_has_no_pointer(tmp_path: Path) -> None:
    (tmp_path / "tree.json").write_text("[]")
    said = complaint(tmp_path / "tree.json")
    assert str(tmp_path / "tree.json") in said
    assert "/" not in said.replace(str(tmp_path / "tree.json"), "")


def test_an_older_schema_is_read(tmp_path: Path) -> None:
    (tmp_path / "tree.json").write_text(json.dumps({"schema": 1}))
    assert read(Tree, tmp_path / "tree.json", schema=2).schema_ == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"schema": 1, "leaves": ' + "[" * 100_000, id="too deep"),
        pytest.param('{"schema": ' + "9" * 5_000 + "}", id="too long a number"),
    ],
)
def test_json_that_python_refuses_is_a_mistake_too(text: str, tmp_path: Path) -> None:
    (tmp_path / "tree.json").write_text(text)
    said = complaint(tmp_path / "tree.json", schema=2)
    assert all(word in said for word in (str(tmp_path / "tree.json"), "nested", "digits"))
    assert_one_sentence(said)
