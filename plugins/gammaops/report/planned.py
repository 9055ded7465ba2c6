"""The page of a dry run: what would run, why, and what it would take."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from gammaops.report.page import page_template
from gammaops.report.views import nights_in_words, origin_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["render_plan"]

_NAMED = 8


def render_plan(record: Mapping[str, Any]) -> str:
    """One self-contained HTML page for the record of a dry run, which has the plan under ``plan``."""
    ok = bool(record["verdict"]["ok"])
    return page_template("plan.html.j2").render(
        analysis=record["analysis"],
        name=record["name"],
        nights=nights_in_words(record["nights"]),
        verdict={
            "tone": "idle" if ok else "bad",
            "sign": "…" if ok else "✕",
            "word": "Dry run" if ok else "Dry run: it would fail",
            "line": record["verdict"]["line"],
        },
        steps=[
            {**step, "rows": list(_rows(step["tasks"])), "cost": _cost(step["expected"])} for step in record["plan"]
        ],
        origin=origin_rows(record),
    )


def _rows(tasks: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Tasks that follow each other with the same state for the same reasons, as one row."""
    for (state, reasons), same in groupby(tasks, key=lambda task: (task["state"], tuple(task["reasons"]))):
        names = [str(task["name"]) for task in same]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield {"tasks": ", ".join(names[:_NAMED]) + more, "state": state, "reasons": "; ".join(reasons)}


def _cost(expected: Mapping[str, Any] | None) -> str:
    if not expected:
        return ""
    cpu, size, memory = (expected[key] for key in ("cpu_seconds", "megabytes", "peak_memory_mb"))
    return (
        f"about {cpu:.0f} s of CPU, {size:.1f} MB of disk, {memory:.0f} MB of memory, as {expected['earlier']} before"
    )
