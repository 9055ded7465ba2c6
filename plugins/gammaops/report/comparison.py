"""The page of a comparison: HTML that needs nothing but itself, the same bytes for the same comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.report.page import page_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["render_comparison"]


def render_comparison(document: Mapping[str, Any], limits: Sequence[tuple[str, str]]) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    document : mapping
        A comparison as JSON types.
    limits : sequence of tuple
        What is not worth a look, in words.
    """
    flagged = [one for one in document["products"] if one["flagged"]]
    close = [one for one in document["products"] if not one["flagged"] and one["differences"]]
    good = document["flags"] == 0
    return page_template("comparison.html.j2").render(
        document=document,
        verdict={
            "tone": "good" if good else "warn",
            "sign": "✓" if good else "!",
            "word": "Nothing to look at" if good else f"{document['flags']} to look at",
            "line": document["verdict"],
        },
        observations=[one for one in flagged if one["obs_id"] is not None],
        others=[one for one in flagged if one["obs_id"] is None],
        close=close,
        alone=[run for run in document["runs"] if not (run["a"] and run["b"])],
        limits=limits,
    )
