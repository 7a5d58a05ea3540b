"""`python -m measure.mirror`: fill a folder with what a full run needs, for a host without network."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from judge.baselines import Baselines, RecipeName, load_baselines
from judge.claims import Role
from judge.commandline import Parser
from judge.files import Mistake, require_utf8
from judge.paths import home
from measure.filling import fill, say
from measure.listing import Wanted, wanted_of
from measure.manifest import MANIFEST, damages, read_manifest
from measure.requests import ROLES, Request, parse_tasks

BASELINES = Path(__file__).parents[1] / "baselines"
DESCRIPTION = """Fill a folder with the models and data sets that a full run needs.

Run it where there is a network, copy DIR to the host that has none, and give it there with --mirror DIR. Fetched are
the two models' configurations, tokenizers and safetensors weights, and the splits that the tasks use: about 440 MB for
BERT-base, 270 MB for DistilBERT and 175 MB for the data of all eleven tasks. Nothing pickled and no code."""
EXAMPLES = """examples:
  python -m measure.mirror hub --dry-run                         # list the files and their sizes, fetch nothing
  python -m measure.mirror hub                                   # everything: 0.9 GB
  python -m measure.mirror hub --tasks cola,rte,sst2             # both models, three tasks
  python -m measure.mirror hub --student you/yours@v2            # a student of your own, from the hub
  python -m measure.mirror hub --check                           # after copying: is it all there? No network
  pytest claims/ --runslow --mirror hub                          # on the host without network

Interrupted, cut off or killed, it goes on where it stopped when the same command is given again. Files that are there
and whole are not fetched again; a file has its name only once its digest is right, and ends in .part before. What DIR
looks like afterwards:

  mirror.json                                      every file with its size and SHA-256, every revision
  google-bert/bert-base-uncased/model.safetensors  OWNER/NAME/... as on the hub
  nyu-mll/glue/cola/train-00000-of-00001.parquet

The hub is the one that HF_ENDPOINT names, or huggingface.co. HF_TOKEN opens private and gated models. With
HF_HUB_OFFLINE=1 nothing can be fetched. Exits with 0; 1 where something cannot be fetched, or is missing or damaged
with --check; 2 where the command itself is wrong; 130 after Ctrl-C."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, 1, 2 or 130, each but the first after a sentence on stderr."""
    options = _parser().parse_args(arguments)
    folder = Path(options.folder)
    status = 2
    try:
        require_utf8(arguments)
        request = _request(options, folder)
        wanted, notes = wanted_of(request)
        _check_place(folder, wanted, options.check)
        status = 1
        if options.check:
            return _check(folder)
        fill(folder, wanted, notes, dry=options.dry_run)
        if not options.dry_run:
            say(f"{folder} is filled. Copy it to the other host, and there give:")
            say(f"  python -m measure.mirror {shlex.quote(str(folder))} --check\n  {_next_step(options)}")
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return status
    except KeyboardInterrupt:
        print("\ninterrupted: what is there stays, and the same command goes on with the rest.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m measure.mirror",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=home, metavar="DIR", help="the folder to fill: new, empty, or filled by this before"
    )
    for option, name, text in (
        ("--tasks", "LIST", "some of the tasks, as cola,rte. Default: all eleven"),
        ("--recipe", "NAME", "paper or prior-study, which leaves some tasks out. Default: paper"),
        ("--teacher", "ID", "a teacher of your own: OWNER/NAME or OWNER/NAME@REVISION. Default: BERT-base"),
        ("--student", "ID", "a student of your own, likewise. Default: DistilBERT"),
    ):
        parser.add_argument(option, metavar=name, help=text)
    parser.add_argument("--check", action="store_true", help="compare all of DIR with its mirror.json, without network")
    parser.add_argument("--dry-run", action="store_true", help="say what would be fetched, and write nothing")
    return parser


def _request(options: argparse.Namespace, folder: Path) -> Request:
    """The options as a run of the suite would take them."""
    chosen = [name for name in ("tasks", "recipe", "teacher", "student", "dry_run") if getattr(options, name)]
    if options.check and chosen:
        raise Mistake(f"--check looks at everything in {folder}: leave out --{chosen[0].replace('_', '-')}.")
    baselines = load_baselines(BASELINES)
    own: dict[Role, str] = {role: getattr(options, role) for role in ROLES if getattr(options, role)}
    return Request(baselines, own, folder, _recipe(options.recipe, baselines), parse_tasks(options.tasks))


def _recipe(name: str | None, baselines: Baselines) -> RecipeName:
    for known in baselines.recipes:
        if known == (name or "paper"):
            return known
    raise Mistake(f"--recipe {name} is none of baselines/recipes.json: give {' or '.join(baselines.recipes)}.")


def _next_step(options: argparse.Namespace) -> str:
    """The command for the other host, with what was chosen here."""
    chosen = [(name, getattr(options, name)) for name in ("tasks", "recipe", "teacher", "student")]
    words = [word for name, value in chosen if value for word in (f"--{name}", value)]
    return shlex.join(["pytest", "claims/", "--runslow", "--mirror", options.folder, *words])


def _check_place(folder: Path, wanted: Sequence[Wanted], check: bool) -> None:
    """Refuse a file, and a folder that is somebody's own and no mirror."""
    try:
        held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except NotADirectoryError:
        raise Mistake(f"{folder} is a file: give a folder.") from None
    except OSError as error:
        raise Mistake(f"{folder} cannot be read ({error.strerror}): give a folder of your own.") from None
    if check and MANIFEST not in held:
        raise Mistake(
            f"{folder} has no {MANIFEST}, so there is nothing to check it against: only python -m measure.mirror "
            "writes one."
        )
    # A folder that was laid out by hand is filled up; a disk that is new has lost+found.
    owners = {repository.name.split("/")[0] for repository in wanted} | {MANIFEST}
    others = [name for name in held if not name.startswith(".") and name != "lost+found"]
    if others and not owners & set(others):
        raise Mistake(f"{folder} holds other things ({others[0]}) and is no mirror: give a new or an empty folder.")


def _check(folder: Path) -> int:
    """Read every file that is listed; 1 where one is not what the list says."""
    manifest = read_manifest(folder)
    assert manifest is not None, "its place was checked"
    found = list(damages(folder, manifest))
    bad = [(name, damage) for name, damage in found if damage]
    for name, damage in bad:
        say(f"{folder / name} {damage}")
    if bad:
        raise Mistake(
            f"{len(bad)} of {len(found)} files are not what {MANIFEST} says: copy them again, or where there is a "
            "network give the command that filled the folder once more, which fetches them."
        )
    bytes_ = sum(file.size for repository in manifest.repositories.values() for file in repository.files.values())
    say(f"{folder} is whole: {len(found)} files of {len(manifest.repositories)} repositories, {bytes_ / 1e6:,.1f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
