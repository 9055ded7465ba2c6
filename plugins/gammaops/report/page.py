"""The page of a run: HTML that needs nothing but itself, the same bytes for the same record.

`render_report` takes the run record (the content of ``run.json``) as plain data, because it must also make a page of a
run that broke half way: whatever is missing is said, nothing is required.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from gammaops.report.lineage import lineage_views
from gammaops.report.opening import how_to_open
from gammaops.report.views import (
    cost_in_words,
    counts,
    ledger_rows,
    nights_in_words,
    origin_rows,
    product_rows,
    step_rows,
    verdict_view,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.report.views import LedgerRow
    from gammaops.steps.base import Section

__all__ = ["Part", "page_template", "render_report"]

_ORDER = ("excess_map", "ts_map", "flux_points", "light_curve", "fit", "reference_check", "off_test", "datasets")
_OPEN_UP_TO = 30


@dataclass(frozen=True)
class Part:
    """What one product contributes to the page.

    Parameters
    ----------
    step, tag : str
        The step that made the product, and its type.
    product : str
        Name of the product in the analysis.
    kind : str
        Kind of the product; it decides the place on the page.
    section : Section, optional
        What to show; its first note is repeated under the verdict. None: it could not be drawn.
    problem : str
        Why it could not be drawn.
    """

    step: str
    tag: str
    product: str
    kind: str
    section: Section | None = None
    problem: str = ""


def render_report(record: Mapping[str, Any], parts: Sequence[Part] = ()) -> str:
    """One self-contained HTML page for a run.

    Parameters
    ----------
    record : mapping
        The run record, as in ``run.json``. Every key may be absent.
    parts : sequence of Part
        What the products show, in the order of the steps.
    """
    ledger = _mappings(record.get("ledger"))
    steps = _mappings(record.get("steps"))
    verdict = verdict_view(record)
    rows = ledger_rows(ledger)
    done = step_rows(steps, str(record.get("run") or ""))
    ordered = sorted(parts, key=lambda part: _ORDER.index(part.kind) if part.kind in _ORDER else len(_ORDER))
    products = product_rows(steps)
    lineage = lineage_views(_mappings(record.get("lineage")))
    return page_template("page.html.j2").render(
        analysis=str(record.get("analysis") or "unnamed analysis"),
        name=str(record.get("name") or record.get("run") or ""),
        version=str(record.get("version") or ""),
        nights=nights_in_words(record.get("nights")),
        verdict=verdict,
        alerts=_mappings(record.get("alerts")),
        headlines=_headlines(ordered),
        counts=counts(ledger),
        expected=len(ledger),
        ledger_groups=_ledger_groups(rows),
        many_nights=len({row.night for row in rows}) > 1,
        parts=ordered,
        titles=_titles(ordered),
        absent=[row for row in done if not row.products and row.tone != "good"],
        cost=cost_in_words(steps),
        steps=done,
        products=products,
        recipes=_recipes(products),
        lineage=lineage,
        anchors={view.title: view.anchor for view in lineage},
        origin=origin_rows(record),
    )


def _headlines(parts: Sequence[Part]) -> list[tuple[str, str, list[str]]]:
    """The first note of every section under its title, with the first sentence of each of its warnings."""
    titles = _titles(parts)
    sections = [part.section for part in parts]
    shown = zip(titles, sections, strict=True)
    return [
        (title, section.notes[0], [f"{warning.split('. ')[0].rstrip('.')}." for warning in section.warnings])
        for title, section in shown
        if section and section.notes
    ]


def _titles(parts: Sequence[Part]) -> list[str]:
    """Titles of the parts; where two have the same, the product's name is added."""
    titles = [part.section.title if part.section else part.product for part in parts]
    return [
        f"{title}: {part.product}" if titles.count(title) > 1 else title
        for title, part in zip(titles, parts, strict=True)
    ]


def _ledger_groups(rows: Sequence[LedgerRow]) -> list[dict[str, Any]]:
    """Rows that someone may have to act on are always in sight; a long list of good ones is folded."""
    bad = [row for row in rows if row.tone != "good"]
    good = [row for row in rows if row.tone == "good"]
    groups = [
        {"title": "Left out", "rows": bad, "folded": False},
        {"title": "Used", "rows": good, "folded": len(good) > _OPEN_UP_TO},
    ]
    return [group for group in groups if group["rows"]]


def _recipes(products: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """One recipe per kind of product, for the first product of that kind."""
    first: dict[str, tuple[str, str]] = {}
    for name, kind, path in products:
        code = how_to_open(kind, path)
        if code:
            first.setdefault(kind, (name, code))
    return list(first.values())


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value or () if isinstance(item, dict)]


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def page_template(name: str) -> Template:
    """A template of this folder, by its file name."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment
