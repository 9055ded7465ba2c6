"""The obvious chain of steps, for a file without ``steps:``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.schema.relations import Finding, near
from gammaops.steps import tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["listed_steps", "obvious_chain", "unknown_steps"]

_REDUCTION = "data-reduction"
# gammapy's names of steps and ours.
_TAGS = {
    "data-selection": _REDUCTION,
    "observations": _REDUCTION,
    "datasets": _REDUCTION,
    _REDUCTION: _REDUCTION,
    "fit": "fit",
    "flux-points": "flux-points",
    "light-curve": "light-curve",
    "excess-map": "excess-map",
}
# In every config that gammapy writes, whether a light curve is wanted or not.
GAMMAPY_LIGHT_CURVE = {"source": "source", "parameters": {"selection_optional": "all"}}


def listed_steps(blocks: Mapping[str, Any]) -> list[str]:
    """Gammapy's ``general.steps``; what is not a list of texts is complained of elsewhere."""
    names = _block(blocks, "general").get("steps") or []
    names = names if isinstance(names, list) else [names]
    return [name for name in names if isinstance(name, str)]


def unknown_steps(blocks: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with gammapy's ``general.steps``."""
    expected = f"some of: {', '.join(_TAGS)}; or a list `steps:` of our own"
    return [
        Finding(("general", "steps"), f"{name!r} is unknown", expected, near(name, _TAGS))
        for name in listed_steps(blocks)
        if tag_of(name) not in _TAGS
    ]


def obvious_chain(blocks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Steps for what the blocks ask for.

    Reduction always; a stack if ``datasets.stack`` (true by default, as in gammapy); a fit if there are models, or
    whatever needs one; flux points, light curve and excess map if their block is there. With gammapy's
    ``general.steps``: those.
    """
    names = listed_steps(blocks)
    wanted = {_TAGS[tag_of(name)] for name in names if tag_of(name) in _TAGS} if names else _asked_for(blocks)
    stack = _block(blocks, "datasets").get("stack") is not False and wanted - {_REDUCTION, "light-curve"}
    used = "stacked" if stack else "datasets"
    # Reduced by observation, whatever becomes of them: so a stacked analysis and one that is not share their datasets.
    steps = [{"name": "reduce", "tag": _REDUCTION, "products": ["datasets"], "config": {"datasets": {"stack": False}}}]
    if stack:
        steps.append({"name": "stack", "tag": "stack", "required_products": ["datasets"], "products": ["stacked"]})
    if "excess-map" in wanted:
        steps.append(_step("excess map", "excess-map", [used]))
    if "fit" in wanted:
        steps.append(_step("spectrum", "fit", [used]))
    if "flux-points" in wanted:
        steps.append(_step("points", "flux-points", [used, "fit"]))
    if "light-curve" in wanted:
        steps.append(_step("light curve", "light-curve", ["datasets", "fit"]))
    return steps


def _asked_for(blocks: Mapping[str, Any]) -> set[str]:
    wanted = {_REDUCTION}
    if _block(blocks, "flux_points").get("energy"):
        wanted.add("flux-points")
    if _block(blocks, "light_curve") not in ({}, GAMMAPY_LIGHT_CURVE):
        wanted.add("light-curve")
    if "excess_map" in blocks and _block(blocks, "datasets").get("type") == "3d":
        wanted.add("excess-map")
    if wanted & {"flux-points", "light-curve"} or _block(blocks, "general").get("models_file"):
        wanted.add("fit")
    return wanted


def _block(blocks: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = blocks.get(name)
    return value if isinstance(value, dict) else {}


def _step(name: str, tag: str, required: list[str]) -> dict[str, Any]:
    return {"name": name, "tag": tag, "required_products": required, "products": [tag.replace("-", "_")]}
