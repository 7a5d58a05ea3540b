"""The machine and the versions behind a number, in words that a person tells two of them apart by."""

from collections.abc import Mapping

UNITS = {"cores": " cores", "memory": " GiB"}
MAIN_VERSIONS = ("python", "torch", "transformers")


def machine(host: Mapping[str, object]) -> str:
    """A host in words, from the fields of its record: `AMD EPYC, 2 cores, 23.5 GiB`."""
    return ", ".join(f"{value}{UNITS.get(name, '')}" for name, value in host.items())


def main_versions(versions: Mapping[str, str]) -> str:
    """The versions that change results first, or all where none of these is known."""
    names = [name for name in MAIN_VERSIONS if name in versions]
    return ", ".join(f"{name} {versions[name]}" for name in names or sorted(versions))
