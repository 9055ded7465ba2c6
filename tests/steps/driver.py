"""Runs the science of one step as the runner does, without store, keys or sidecars."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from gammaops.errors import DataError
from gammaops.physics.reproducible import make_reproducible
from gammaops.physics.tables import read_rows, write_rows
from gammaops.products.base import IndexDraft, Product
from gammaops.steps import load_science, step_specs
from gammaops.steps.base import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def blocks(*tags: str, **given: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of these step types with defaults and what is given, in the form in which science gets them."""
    normalised: dict[str, Any] = {}
    for tag in tags:
        for name, rules in step_specs()[tag].schema.items():
            normalised[name] = _with_defaults(rules, {})
    for name, value in given.items():
        normalised[name] = _merged(normalised.get(name, {}), value)
    return normalised


def _with_defaults(rules: Mapping[str, Any], _: object) -> Any:
    if rules["type"] == "dict":
        return {key: _with_defaults(inner, None) for key, inner in rules.get("schema", {}).items()}
    return deepcopy(rules.get("default"))


def _merged(base: Any, update: Any) -> Any:
    if isinstance(base, dict) and isinstance(update, dict):
        return {**base, **{key: _merged(base.get(key), value) for key, value in update.items()}}
    return update


def product(kind: str, path: Path, metrics: Mapping[str, Any] | None = None, **more: Any) -> Product:
    """A product as the store would open it."""
    return Product(path.as_uri(), kind, path.stem, "0" * 16, "ok", path, dict(metrics or {}), **more)


def index(kind: str, draft: IndexDraft) -> Product:
    """The index that a draft becomes."""
    members = []
    for member in draft.members:
        path = member.path or member.product.path
        if member.path is not None:
            make_reproducible(path)
        members.append(product("dataset", path, row=member.row))
    return Product("index", kind, "index", "0" * 16, "ok", None, members=tuple(members))


def run_fan(
    tag: str, config: Mapping[str, Any], folder: Path, inputs: Mapping[str, Any] | None = None, scope: Scope | None = None
) -> tuple[Product | None, list[dict[str, Any]], dict[str, Any]]:
    """Split, run every row, collect: the product, the rows with what became of them, and the product's metrics."""
    spec, science = step_specs()[tag], load_science(tag)
    inputs = inputs or {}
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(science.split(science.prepare(config), inputs, scope or Scope()), folder / "rows.ecsv")
    rows = list(read_rows(folder / "rows.ecsv"))
    parts = []
    for row in rows:
        if row["status"] == "selected":
            parts += _part(spec, science, config, folder, inputs, row)
    output = next(iter(spec.produces))
    kind = spec.produces[output]
    if kind.member:
        draft = IndexDraft(folder, spec.fan_out.part.suffix)
        metrics = science.collect(science.prepare(config), inputs, {output: draft}, parts)
        return index(kind.kind, draft), rows, metrics
    path = folder / f"{output}{kind.suffix}"
    metrics = science.collect(science.prepare(config), inputs, {output: path}, parts)
    make_reproducible(path)
    return product(kind.kind, path, metrics), rows, metrics


def _part(spec: Any, science: Any, config: Any, folder: Path, inputs: Any, row: dict[str, Any]) -> list[Product]:
    path = folder / f"part-{row['label'].replace('/', '_').replace(' ', '_')}{spec.fan_out.part.suffix}"
    try:
        metrics = science.run(science.prepare(config), inputs, {spec.fan_out.part.kind: path}, row)
    except DataError as error:
        row.update(status="quarantined", reason_class=error.reason_class, reason=error.reason)
        return []
    make_reproducible(path)
    return [product(spec.fan_out.part.kind, path, metrics)]


def run_one(tag: str, config: Mapping[str, Any], folder: Path, inputs: Mapping[str, Any]) -> Product:
    """Run a step without fan-out."""
    spec, science = step_specs()[tag], load_science(tag)
    folder.mkdir(parents=True, exist_ok=True)
    output, kind = next(iter(spec.produces.items()))
    if kind.member:
        draft = IndexDraft(folder, ".fits")
        science.run(science.prepare(config), inputs, {output: draft})
        return index(kind.kind, draft)
    path = folder / f"{output}{kind.suffix}"
    metrics = science.run(science.prepare(config), inputs, {output: path})
    make_reproducible(path)
    return product(kind.kind, path, metrics)
