"""measure.finetuning.features: tokens are made once, for whoever needs the same, and are the right ones."""

import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judge.files import Mistake
from measure.jobs import Job
from measure.store import Store
from tests.finetuned import MIRROR, VOCABULARY, job
from tests.madedata import VOCABULARY as WORDS
from tests.madedata import miniature, write_task
from tests.project import ROOT

pytest.importorskip("datasets", reason="tokens are kept with datasets")
pytest.importorskip("torch", reason="jobs are made of models")

from measure.finetuning import features
from measure.finetuning.features import rows_of, tokens_of
from measure.finetuning.pretrained import load_tokenizer

CLS, SEP = WORDS.index("[CLS]"), WORDS.index("[SEP]")
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload([__name__])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made rows of three small tasks, and miniature models beside them."""
    folder = tmp_path_factory.mktemp("made")
    for task in ("wnli", "cola", "stsb"):
        write_task(folder / "mirror", task)
    miniature(folder / "bert")
    miniature(folder / "distilbert", "distilbert")
    vocabulary = folder / "vocabulary.txt"
    vocabulary.write_text("\n".join([*WORDS, "purple"]))
    miniature(folder / "other", vocabulary=vocabulary)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each call of the tokenizer's."""
    sizes: list[int] = []
    encode = features._encode

    def counted(rows: Any, **more: Any) -> Any:
        sizes.append(len(rows["label"]))
        return encode(rows, **more)

    monkeypatch.setattr(features, "_encode", counted)
    return sizes


def made_job(made: Path, task: str = "wnli", model: str = "bert", **more: Any) -> Job:
    return job(task, str(made / model), made / "mirror", **{"max_length": 32, **more})


def tokens(made: Job, store: Store, tokenizer: Any = None) -> Any:
    return tokens_of(made, made.task.train, tokenizer or load_tokenizer(made.model), store, training=True)


def test_two_models_with_the_same_tokenizer_share_the_tokens(made: Path, store: Store, calls: list[int]) -> None:
    first = tokens(made_job(made), store)
    assert calls == [635]
    assert first.column_names == ["input_ids", "token_type_ids", "labels"]
    again = tokens(made_job(made, model="distilbert", role="student", seed=9), store)
    assert calls == [635]
    assert again[:] == first[:]
    assert again.cache_files == first.cache_files


def test_rows_are_tokenised_a_thousand_at_a_time(made: Path, store: Store, calls: list[int]) -> None:
    tokens(made_job(made, "cola"), store)
    assert calls == [1000] * 8 + [551]


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made_job(made, model="other"),
        lambda made: made_job(made, max_length=16),
        lambda made: made_job(made, limit=10),
        lambda made: made_job(made, "cola"),
    ],
    ids=["vocabulary", "length", "limit", "task"],
)
def test_what_changes_tokens_is_tokenised_apart(
    change: Callable[[Path], Job], made: Path, store: Store, calls: list[int]
) -> None:
    kept = tokens(made_job(made), store).cache_files
    other = change(made)
    assert tokens(other, store).cache_files != kept
    assert sum(calls) == 635 + min(other.task.train.rows, other.limit or 10**6)


@pytest.mark.parametrize("side", ["truncation_side", "split_special_tokens"])
def test_what_a_tokenizer_does_beside_its_vocabulary_counts(side: str, made: Path, store: Store) -> None:
    one = made_job(made, max_length=8)
    tokenizer = load_tokenizer(one.model)
    before = tokens(one, store, tokenizer).cache_files
    setattr(tokenizer, side, "left" if side == "truncation_side" else True)
    assert tokens(one, store, tokenizer).cache_files != before


def test_what_was_tokenised_before_makes_no_difference(made: Path, store: Store, tmp_path: Path) -> None:
    one = made_job(made)
    fresh, used = load_tokenizer(one.model), load_tokenizer(one.model)
    used(["word1 word2 word3"], truncation=True, max_length=3, padding="max_length", stride=0)
    used.padding_side = "left"
    expected = tokens(one, Store(tmp_path / "other"), fresh)
    assert tokens(one, store, used)[:] == expected[:]
    # The same file name: so neither process state nor a call before decides where tokens are looked for.
    assert [path.name for path in (store.folder / "features").glob("*.arrow")] == [
        path.name for path in (tmp_path / "other" / "features").glob("*.arrow")
    ]


def test_pairs_have_token_types_and_the_longer_one_is_cut(made: Path, store: Store) -> None:
    one = made_job(made, max_length=12)
    found, rows = tokens(one, store), rows_of(one, one.task.train, store)
    cut = [0, 0]
    for row, ids, types in zip(rows, found["input_ids"], found["token_type_ids"], strict=True):
        texts = [[WORDS.index(word) for word in row[column].split()] for column in ("sentence1", "sentence2")]
        whole = [len(text) for text in texts]
        first = list(ids).index(SEP) - 1
        kept = [first, len(ids) - first - 3]
        assert list(ids) == [CLS, *texts[0][: kept[0]], SEP, *texts[1][: kept[1]], SEP]
        assert list(types) == [0] * (kept[0] + 2) + [1] * (kept[1] + 1)
        assert sum(kept) == min(9, sum(whole))  # with [CLS] and twice [SEP] that makes 12
        for this, that in ((0, 1), (1, 0)):
            cut[this] += kept[this] < whole[this]
            assert kept[this] == whole[this] or kept[this] >= kept[that] - 1, "the longer one is cut"
    assert min(cut) > 50
    assert found["labels"][:] == rows["label"][:]


def test_a_sentence_alone_is_cut_at_its_end(made: Path, store: Store) -> None:
    one = made_job(made, "cola", max_length=6)
    found, rows = tokens(one, store), rows_of(one, one.task.train, store)
    for text, ids, types in zip(rows["sentence"], found["input_ids"], found["token_type_ids"], strict=True):
        assert list(ids) == [CLS, *[WORDS.index(word) for word in text.split()][:4], SEP]
        assert set(types) == {0}


def test_similarities_stay_numbers(made: Path, store: Store) -> None:
    one = made_job(made, "stsb", limit=50)
    found = tokens(one, store)
    assert found["labels"][:] == rows_of(one, one.task.train, store)["label"][:]
    assert {type(value) for value in found["labels"]} == {float}


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", [".arrow", ".sha256"])
@pytest.mark.parametrize(
    "damage",
    [damaged, lambda path: path.write_bytes(path.read_bytes()[:-9]), lambda path: path.write_bytes(b""), Path.unlink],
    ids=["a byte", "cut short", "empty", "gone"],
)
def test_what_is_not_as_it_was_made_is_made_again(
    damage: Callable[[Path], Any], suffix: str, made: Path, store: Store, calls: list[int]
) -> None:
    one = made_job(made)
    whole = tokens(one, store)[:]
    [path] = {Path(file["filename"]).with_suffix(suffix) for file in tokens(one, store).cache_files}
    assert calls == [635]
    damage(path)
    assert tokens(one, store)[:] == whole
    assert calls == [635, 635]
    assert tokens(one, store)[:] == whole
    assert calls == [635, 635]


def test_nothing_is_kept_of_tokens_that_were_not_finished(
    made: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = made_job(made, "cola")
    encode, done = features._encode, []

    def full(rows: Any, **more: Any) -> Any:
        done.append(1)
        if len(done) == 5:
            raise OSError(28, "No space left on device")
        return encode(rows, **more)

    monkeypatch.setattr(features, "_encode", full)
    with pytest.raises(Mistake, match=rf"{re.escape(str(store.folder))} .*measure\.cache prune.*--cache"):
        tokens(one, store)
    assert list((store.folder / "temporary").iterdir()) == []
    assert len(tokens(one, store)) == 8551


def make_tokens(made: str, cache: str, log: str) -> None:
    encode = features._encode

    def noted(rows: Any, **more: Any) -> Any:
        with Path(log).open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        return encode(rows, **more)

    vars(features)["_encode"] = noted
    assert len(tokens(made_job(Path(made)), Store(Path(cache)))) == 635


@pytest.mark.full
def test_two_processes_that_need_the_same_tokens_make_them_once(made: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [
        CLEAN.Process(target=make_tokens, args=(str(made), str(tmp_path / "cache"), str(log))) for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert log.read_text() == "made\n"


def test_what_a_killed_process_left_is_tidied_up(made: Path, store: Store) -> None:
    one = made_job(made)
    tokens(one, store)
    [name] = [path.stem for path in (store.folder / "features").glob("*.arrow")][:1]
    left = store.temporary(f"features-{name}")
    left.mkdir()
    (left / "made.arrow").write_bytes(b"half")
    store.check()
    assert not left.exists()


def test_windows_of_questions_are_kept_with_what_training_or_scoring_needs(tmp_path: Path, store: Store) -> None:
    if not VOCABULARY.is_file():
        pytest.skip("needs the published rows beside the checkout, in ../shared/hub-mirror")
    one = job("squad", miniature(tmp_path / "model", vocabulary=VOCABULARY), MIRROR, limit=40)
    tokenizer, [split] = load_tokenizer(one.model), one.task.evaluation
    learnt = tokens_of(one, split, tokenizer, store, training=True)
    scored = tokens_of(one, split, tokenizer, store, training=False)
    assert learnt.column_names == ["input_ids", "token_type_ids", "start_positions", "end_positions"]
    assert scored.column_names == ["input_ids", "token_type_ids", "example_id", "offset_mapping"]
    assert learnt["input_ids"][:] == scored["input_ids"][:]
    assert list(dict.fromkeys(scored["example_id"])) == list(rows_of(one, split, store)["id"])
    learnable: dict[str, set[str]] = {}
    for name, window in zip(scored["example_id"], learnt, strict=True):
        words = window["input_ids"][window["start_positions"] : window["end_positions"] + 1]
        learnable.setdefault(name, set()).add(tokenizer.decode(words))
    for row in rows_of(one, split, store):
        answer = tokenizer.decode(tokenizer(row["answers"]["text"][0], add_special_tokens=False)["input_ids"])
        assert any(answer in words for words in learnable[row["id"]])  # which may begin inside a token


MEMORY = """
import sys
from pathlib import Path
import psutil
from measure.finetuning.features import tokens_of
from measure.finetuning.pretrained import load_tokenizer
from measure.store import Store
from tests.finetuned import MIRROR, job

def peak():
    # Not getrusage's: it begins with the peak of the process that started this one.
    status = Path("/proc/self/status")
    if not status.exists():
        return psutil.Process().memory_info().rss
    return 1024 * int(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))

before = peak()
for task in ("stsb", "squad"):
    made = job(task, sys.argv[1], MIRROR, limit=3000)
    tokenizer = load_tokenizer(made.model)
    for split in made.task.evaluation:
        tokens_of(made, split, tokenizer, Store(Path(sys.argv[2])), training=task == "stsb")
print(before, peak())
"""


@pytest.mark.full
def test_tokenising_takes_little_memory_beyond_the_rows(tmp_path: Path) -> None:
    if not VOCABULARY.is_file():
        pytest.skip("needs the published rows beside the checkout, in ../shared/hub-mirror")
    model = miniature(tmp_path / "model", vocabulary=VOCABULARY)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, model, str(tmp_path / "cache")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    before, after = (int(number) / 2**30 for number in done.stdout.split())
    assert after < 1.0, f"{after:.2f} GiB, of which {before:.2f} before the first row"
