"""Whether the scale of a field-of-view background means what it seems to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["few_counts_note", "fewest_field_counts", "scaled_to_sources_note"]

EXCLUSION = "datasets.background.exclusion"
FEW = 100
"""Counts below which the scale, whose error is that of Poisson counts, is uncertain by more than 10 %."""


def fewest_field_counts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the observations that were scaled to less than `FEW` counts how many there are, and which has the fewest.

    Parameters
    ----------
    parts : sequence of mapping
        Metrics of the observations' datasets; those of other backgrounds have no ``field_counts``.
    """
    # Without any, nothing is safe in the observation and nothing was scaled.
    scarce = [part for part in parts if 0 < part.get("field_counts", FEW) < FEW]
    if not scarce:
        return {}
    fewest = min(scarce, key=lambda part: part["field_counts"])
    return {"few_field_counts": {"datasets": len(scarce), "fewest": fewest["field_counts"], "obs_id": fewest["obs_id"]}}


def few_counts_note(metrics: Mapping[str, Any]) -> str:
    """What to say about scales from few counts in the report; empty if there is nothing."""
    found = metrics.get("few_field_counts")
    if not found:
        return ""
    number, fewest = found["datasets"], found["fewest"]
    whose = f"The background of {number} dataset{'s' if number != 1 else ''} was scaled to fewer than {FEW} counts"
    percent = 100 / math.sqrt(fewest)
    return (
        f"{whose}, that of observation {found['obs_id']} to {fewest}: its scale is uncertain by {percent:.0f} %."
        " Take a wider energy range or field, or quarantine such observations with"
        " datasets.background.parameters.min_counts."
    )


def scaled_to_sources_note(sidecar: Mapping[str, Any]) -> str:
    """That a field-of-view background without exclusion is scaled to the sources too; empty where it is not so."""
    background = sidecar.get("config", {}).get("datasets", {}).get("background", {})
    excluded = (
        background.get("exclusion")
        or EXCLUSION in sidecar.get("files", {})
        or sidecar.get("inputs", {}).get("exclusion")
    )
    if background.get("method") != "fov" or excluded:
        return ""
    return (
        "The background was scaled to all counts of the field, those of its sources among them, so that maps show too"
        f" little excess. Name the sources in {EXCLUSION}."
    )
