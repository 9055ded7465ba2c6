"""The page on which two sets of runs are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammaops.report.page import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render_comparison"]

_MOST = 500


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    comparison : mapping
        ``first``, ``second``, ``headline``, ``flags``, ``same``, ``tolerances`` and ``differences``, as JSON types.
    """
    rows = [{**row, "change": _change(row)} for row in comparison["differences"]]
    flagged = [row for row in rows if row["flagged"]]
    rest = [row for row in rows if not row["flagged"]]
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(comparison=comparison, flagged=flagged[:_MOST], rest=rest[:_MOST], more=max(0, len(flagged) - _MOST))
    )


def _change(row: Mapping[str, Any]) -> str:
    return "" if row["size"] is None else f"{row['size']:+.3g} {row['scale']}"
