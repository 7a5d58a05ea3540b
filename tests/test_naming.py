"""measure.naming: a model's name is an id of the hub or a folder, never either as it happens to be."""

from pathlib import Path

import pytest

from judge.files import Mistake
from judge.paths import one_spelling
from measure.naming import ModelName, check_model_name, folder_of_that_name, parse_model

KNOWN = ("google-bert/bert-base-uncased", "distilbert/distilbert-base-uncased")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two models, of which one lies as deep as an id of the hub."""
    for name in ("my-student", "me/student"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "my-stupor").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(text: str) -> str:
    with pytest.raises(Mistake) as caught:
        check_model_name(text, KNOWN)
    said = str(caught.value)
    assert said.endswith((".", "?"))
    assert "\n" not in said
    return said


@pytest.mark.parametrize("text", ["me/student", "me/nothing", "distilbert/distilbert-base-uncased", "a-b/c.d_e"])
def test_what_reads_as_owner_and_name_is_an_id_whatever_folders_are_here(text: str) -> None:
    assert check_model_name(text) == ModelName(text)
    assert check_model_name(f"{text}@v1.0") == ModelName(text, "v1.0")
    assert folder_of_that_name(ModelName(text)) == ("./me/student" if text == "me/student" else "")


@pytest.mark.parametrize("text", ["me/student/", "./me/student", "me//student", "./me/./student/."])
def test_a_folder_has_one_id_however_it_is_spelled(text: str, here: Path) -> None:
    assert check_model_name(text) == ModelName("./me/student", folder=Path("me/student"))
    assert parse_model(str(parse_model(text))) == parse_model(text), "it can be given again"
    assert one_spelling(parse_model(text).id) == one_spelling(text) != one_spelling("me/student")
    assert check_model_name(f"{here}/{text}").id == str(here / "me" / "student")


def test_what_lies_beside_the_target_of_a_link_is_not_what_lies_beside_the_link(here: Path) -> None:
    (here / "elsewhere" / "models").mkdir(parents=True)
    (here / "elsewhere" / "me" / "student").mkdir(parents=True)
    (here / "elsewhere" / "me" / "student" / "config.json").write_text("{}")
    (here / "link").symlink_to(here / "elsewhere" / "models")
    found = check_model_name("link/../me/student")
    assert found.folder is not None
    assert found.folder.resolve() == here / "elsewhere" / "me" / "student"
    assert (found.id, str(parse_model(found.id).folder)) == ("link/../me/student", "link/../me/student")


def test_a_folder_beside_needs_no_path() -> None:
    assert check_model_name("my-student/") == ModelName("my-student", folder=Path("my-student"))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("my-studnet", "./my-student?"),
        ("./my-studnet", "./my-student?"),
        ("./me/studnet", "./me/student?"),
        ("distilbert-base-uncased", "distilbert/distilbert-base-uncased?"),
        ("bert-base-uncasd", "google-bert/bert-base-uncased?"),
        ("roberta-large", "OWNER/NAME or ./folder."),
        ("roberta-large@main", "OWNER/NAME or ./folder."),
        ("./nothing/at/all", "spelling."),
        ("my-stupor", "config.json"),
        ("file", "hub id"),
        ("https://huggingface.co/me/student", "write me/student."),
    ],
)
def test_a_name_that_is_neither_is_refused_with_what_may_be_meant(text: str, remedy: str) -> None:
    said = refused(text)
    assert text in said
    assert remedy in said.replace(text, "", 1)


def test_an_absolute_path_is_answered_with_one(here: Path) -> None:
    assert f"{here / 'my-student'}?" in refused(str(here / "my-studnet"))


@pytest.mark.parametrize("model", ["", ".", "a/b/c", "/nowhere", "with space", ".hidden", "owner/name@"])
def test_what_is_plainly_no_model_is_refused_at_once(model: str) -> None:
    assert model in refused(model)
