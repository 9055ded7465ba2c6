"""Why a product is another one: what its sidecar says that it was made with and from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.care.differences import sidecar_differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["causes_of"]

CODE = ("gammaops: ", "git: ")


def causes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is not the same, in words: files, inputs, versions, config.

    The revision of our own code is named only where nothing else has changed: most revisions change no number.

    Parameters
    ----------
    before, after : mapping
        Sidecars.
    """
    made = sidecar_differences(before, after) if "step" in before and "step" in after else []
    found = [*_files(before, after), *_inputs(before, after), *(one for one in made if not one.startswith(CODE))]
    return found or made


def _files(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    sources = [{one["name"]: one["sha256"] for one in sidecar.get("sources", ())} for sidecar in (before, after)]
    for name in sorted({*sources[0], *sources[1]}):
        if sources[0].get(name) != sources[1].get(name):
            yield f"the file {name} of the archive is {_change(name, *sources)}"
    files = before.get("files", {}), after.get("files", {})
    for key in sorted({*files[0], *files[1]}):
        if files[0].get(key) != files[1].get(key):
            yield f"the file of {key.partition(': ')[0]} is {_change(key, *files)}"


def _change(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return "another one" if key in before and key in after else "only in B" if key in after else "only in A"


def _inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    inputs = [
        {role: [one["digest"] for one in given] for role, given in sidecar.get("inputs", {}).items()}
        for sidecar in (before, after)
    ]
    for role in sorted({*inputs[0], *inputs[1]}):
        if inputs[0].get(role, []) != inputs[1].get(role, []):
            yield f"its {role} changed"
