"""A model's tokenizer from the files that lie beside its weights. transformers comes late."""

import codecs
from pathlib import Path
from typing import Any

from judge.files import Mistake, first_line
from measure.configuration import config_in
from measure.modelfiles import SURE, TOKENIZER, VOCABULARIES, read_json

# Of the words of a cased vocabulary about a third have a capital; of an uncased one none, but for what users add to it.
CASED = 0.01


def load_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer in a folder of the model that the user calls `name`. No code of it is run.

    Raises:
        Mistake: its files are missing or broken, or would be read in a way that they do not state.
    """
    config = config_in(folder, name)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), config=config, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises no class of its own
        raise Mistake(_broken(error, folder, name)) from None
    # Without its files the library makes one that knows special tokens only, to which every word is unknown.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise Mistake(f"{name} has no tokenizer: save it beside the weights, as tokenizer.json or vocab.txt.")
    _check_casing(folder, name, tokenizer)
    return tokenizer


def _broken(error: Exception, folder: Path, name: str) -> str:
    begun = [file for file in TOKENIZER if _starts_with_mark(folder / file)]
    if begun:
        return f"{folder / begun[0]} begins with a byte order mark: save it as UTF-8 without one."
    return f"the tokenizer of {name} cannot be loaded ({first_line(error)}): save it there as tokenizer.json."


def _starts_with_mark(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(codecs.BOM_UTF8)


def _check_casing(folder: Path, name: str, tokenizer: Any) -> None:
    """Refuse to lower-case text for a vocabulary with capitals only because nothing in the folder states the casing.

    Raises:
        Mistake: it is so.
    """
    if _states_casing(folder) or not _lower_cases(tokenizer):
        return
    words = [word for word in tokenizer.get_vocab() if word.isalpha()]
    capitals = sum(word != word.lower() for word in words)
    if capitals > CASED * len(words):
        vocabulary = next(file for file in VOCABULARIES if (folder / file).is_file())
        raise Mistake(
            f"{folder / vocabulary} has words with capitals, and {name} does not say that it is cased, so its "
            f'tokenizer would lower-case all text: write {{"do_lower_case": false}} into {folder / SURE[1]}, or true '
            "if text is to be lower-cased."
        )


def _states_casing(folder: Path) -> bool:
    """Whether a file says how capitals are taken, and not only a default of the library's."""
    if (folder / SURE[0]).is_file():
        return True
    try:
        return "do_lower_case" in read_json(folder / SURE[1])
    except (OSError, ValueError, TypeError):
        return False


def _lower_cases(tokenizer: Any) -> bool:
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    return normalizer is not None and normalizer.normalize_str("A") == "a"
