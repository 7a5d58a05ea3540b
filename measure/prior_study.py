"""Turn the raw result files of the earlier reproduction study into evidence/prior-study.json.

    python -m measure.prior_study RESULTS.json evidence/prior-study.json --created DATE

Every number is kept at the precision of the study's own files. What they say of the recipe is kept too: the batch is
samples per second / steps per second, the epochs are recorded, and the vocabulary tells cased models from uncased.
"""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from judge.claims import Role
from judge.commandline import Parser, as_path
from judge.evidence import SCHEMA, Dataset, Evidence, Host, Measurement, Model, RecipeUsed, write_evidence
from judge.files import Mistake
from measure.host import SUITE_VERSION

ROLES: dict[str, Role] = {"bert": "teacher", "distilbert": "student"}
NAMES = {"bert": "google-bert/bert-base", "distilbert": "distilbert/distilbert-base"}
CASED_VOCABULARY = 28996
SEED = 42
METRICS = {
    "eval_matthews_correlation": "glue.{}.matthews_correlation",
    "eval_accuracy": "glue.{}.accuracy",
    "eval_accuracy_mm": "glue.{}_mismatched.accuracy",
    "eval_f1": "glue.{}.f1",
    "eval_pearson": "glue.{}.pearson",
    "eval_spearmanr": "glue.{}.spearman",
}
SQUAD_QUESTIONS = 10570


class NotTheStudyError(Exception):
    """A number that the study's files cannot hold; the message says which."""


def convert(raw: dict[str, Any], created: str) -> Evidence:
    """The study's raw results as an evidence record; `created` is the ISO date to write into it."""
    measurements = [m for task in raw["runs"] for side in raw["runs"][task] for m in _run(raw, task, side)]
    return Evidence(
        schema_=SCHEMA,
        suite_version=SUITE_VERSION,
        created=created,
        about="raw results of an earlier reproduction study: one GPU, one seed, fine-tuned with transformers' scripts",
        host=Host(name="the study's GPU host, which it does not describe"),
        versions={"transformers": "5.0.0.dev0"},
        measurements=(*measurements, *_table3(raw["table3"])),
    )


def _run(raw: dict[str, Any], task: str, side: str) -> Iterator[Measurement]:
    """Every score of one fine-tuning run, or its training loss where no score was kept (IMDb)."""
    result = raw["runs"][task][side]
    common = {
        "model": _model(side, raw["configs"][task][side]),
        "recipe": RecipeUsed(name="prior-study", values=_recipe(result)),
        "engine": "trainer",
        "seeds": (SEED,),
        "how": {"train_samples": result["train_samples"]},
        "duration_s": result["train_runtime"],
    }
    if task == "imdb":
        yield Measurement(quantity="imdb.train_loss", unit="nats", values=(result["train_loss"],), **common)
    elif task == "squad":
        yield from _squad(result, common)
    else:
        yield from _glue(task, result, common)


def _glue(task: str, result: dict[str, Any], common: dict[str, Any]) -> Iterator[Measurement]:
    for key, quantity in METRICS.items():
        if key in result:
            mismatched = key.endswith("_mm")
            examples = result["eval_samples_mm" if mismatched else "eval_samples"]
            split = "validation" if task != "mnli" else "validation_" + ("mismatched" if mismatched else "matched")
            data = Dataset(id="nyu-mll/glue", config=task, split=split, examples=examples)
            yield Measurement(
                quantity=quantity.format(task), dataset=data, unit="fraction", values=(result[key],), **common
            )


def _squad(result: dict[str, Any], common: dict[str, Any]) -> Iterator[Measurement]:
    how = common["how"] | {"windows": result["eval_samples"]}
    note = (
        f"the study's files count {result['eval_samples']:,} windows; its exact match is a whole number of "
        f"{SQUAD_QUESTIONS:,} questions"
    )
    if abs(result["eval_exact_match"] * SQUAD_QUESTIONS / 100 % 1 - 0.5) < 0.49:
        raise NotTheStudyError("its exact match is no whole number of SQuAD's 10,570 questions")
    data = Dataset(id="rajpurkar/squad", split="validation", examples=SQUAD_QUESTIONS)
    for key in ("exact_match", "f1"):
        yield Measurement(
            quantity=f"squad.{key}",
            dataset=data,
            unit="percent",
            values=(result[f"eval_{key}"],),
            note=note,
            **common | {"how": how},
        )


def _table3(table: dict[str, Any]) -> Iterator[Measurement]:
    """Parameter counts in millions and the seconds of the GPU pass, as the study's own table 3 holds them."""
    for name, side in (("BERT-base", "bert"), ("DistilBERT", "distilbert")):
        yield Measurement(
            quantity="architecture.classification",
            model=Model(role=ROLES[side], id=f"{NAMES[side]}-cased"),
            unit="M",
            values=(table[name]["params_millions"],),
            note="those of the cased models with a classification head (108,311,810 and 65,783,042)",
        )
        yield Measurement(
            quantity="speed.gpu_full_pass",
            model=Model(role=ROLES[side], id=f"{NAMES[side]}-uncased"),
            dataset=Dataset(id="nyu-mll/glue", config="stsb", split="validation", examples=1500),
            unit="seconds",
            values=(table[name]["gpu_stsb_full_pass_seconds"],),
            note="batch size, warm-up and repeats are not recorded",
        )


def _model(side: str, config: dict[str, Any]) -> Model:
    case = "cased" if config["vocab_size"] == CASED_VOCABULARY else "uncased"
    return Model(
        role=ROLES[side],
        id=f"{NAMES[side]}-{case}",
        config={key: config[key] for key in ("model_type", "vocab_size", "dtype")},
    )


def _recipe(result: dict[str, Any]) -> dict[str, int | float | str | bool | None]:
    mean = result["train_samples_per_second"] / result["train_steps_per_second"]
    return {"epochs": round(result["epoch"]), "batch_size": _batch_size(result["train_samples"], mean)}


def _batch_size(samples: int, mean: float) -> int:
    """The smallest batch size that explains the mean examples per step, of which the last step has fewer."""
    return min(range(1, 257), key=lambda size: (abs(samples / math.ceil(samples / size) - mean), size))


def main(arguments: list[str]) -> int:
    """Convert one file; 0, or 2 with a sentence on stderr where that cannot be."""
    parser = Parser(prog="python -m measure.prior_study", description=__doc__.splitlines()[0])
    parser.add_argument("results", type=as_path, help="the study's raw results, a JSON file")
    parser.add_argument("evidence", type=as_path, help="the evidence file to write")
    parser.add_argument("--created", required=True, metavar="DATE", help="ISO date to write into the file")
    options = parser.parse_args(arguments)
    try:
        write_evidence(options.evidence, convert(_raw(options.results), options.created))
    except Mistake as error:
        print(error, file=sys.stderr)
        return 2
    except NotTheStudyError as error:
        print(f"{options.results} is no result file of that study, {error}: give its results.json.", file=sys.stderr)
        return 2
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        print(f"{options.results} is no result file of that study: give its results.json.", file=sys.stderr)
        return 2
    return 0


def _raw(path: Path) -> dict[str, Any]:
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Mistake(f"{path} cannot be read ({error.strerror}): check the name.") from None
    return raw


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
