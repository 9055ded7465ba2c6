"""The page of a run, with the pictures that each step draws of its own products."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gammaops.physics.change import change_table
from gammaops.report import Part, meaning, render_report
from gammaops.steps import load_science
from gammaops.steps.base import Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.products import Product

__all__ = ["render"]

log = logging.getLogger(__name__)


def render(record: Mapping[str, Any], products: Mapping[str, Product]) -> str:
    """The HTML page of a run.

    Parameters
    ----------
    record : mapping
        The run record, as in ``run.json``.
    products : mapping of str to Product
        The products that the record names and that could be opened, by name.
    """
    versions: dict[str, Any] = {}
    for product in products.values():
        versions = {**product.sidecar.get("packages", {}), **versions}
    provenance = {**(record.get("provenance") or {}), "packages": versions}
    return render_report({**record, "provenance": provenance}, list(_parts(record, products)))


def _parts(record: Mapping[str, Any], products: Mapping[str, Product]) -> Iterator[Part]:
    for step in record.get("steps") or ():
        flow = _cut_flow(step)
        if flow is not None:
            yield flow
        for entry in step.get("products") or ():
            part = _part(step, entry, products.get(entry.get("name") or ""))
            if part is not None:
                yield part


def _cut_flow(step: Mapping[str, Any]) -> Part | None:
    """Which cuts removed how many observations; None where none was removed."""
    flow = step.get("cut_flow") or ()
    if not flow:
        return None
    name = str(step.get("name") or "")
    rows = [
        (line["state"], line["reason_class"], meaning(line["reason_class"]), f"-{line['removed']}", str(line["left"]))
        for line in flow
    ]
    expected = sum(line["removed"] for line in flow) + flow[-1]["left"]
    rows = [("expected", "", "", "", str(expected)), *rows]
    table = Table(("state", "because of", "in words", "removed", "left"), rows)
    notes = [f"{flow[-1]['left']} of {expected} observations are used"]
    return Part(name, str(step.get("tag") or ""), name, "cut_flow", Section("Cut flow", tables=[table], notes=notes))


def _part(step: Mapping[str, Any], entry: Mapping[str, Any], product: Product | None) -> Part | None:
    """What one product shows; None if its step type draws nothing, or there is nothing to draw."""
    step_name, tag, name, kind = (
        str(text or "") for text in (step.get("name"), step.get("tag"), entry.get("name"), entry.get("kind"))
    )
    part = Part(step_name, tag, name, kind)
    if not entry.get("path"):
        return None
    if product is None:
        return replace(part, problem="the product could not be opened; see the log of the report task")
    if product.path is None:
        return None
    try:
        draw = getattr(load_science(part.tag), "report", None)
        return None if draw is None else replace(part, section=_compared(draw(product), entry))
    except Exception as error:  # whatever breaks one picture, the shifter needs the rest of the page
        log.exception("the section of %s (%s) could not be drawn", part.product, part.tag)
        return replace(part, problem=f"{type(error).__name__}: {error}")


def _compared(section: Section, entry: Mapping[str, Any]) -> Section:
    """A fit beside that of the run before."""
    previous = entry.get("previous")
    if not previous:
        return section
    table = change_table(entry["metrics"]["parameters"], previous["parameters"], previous["run"])
    return replace(section, tables=(*section.tables, table))
