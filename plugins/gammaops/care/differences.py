"""In what a product that was made again differs from the first: what it was made with, and what came out."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError
from gammaops.runner.reasons import leaves, said
from gammaops.runner.task import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gammaops.products import Product
    from gammaops.runner.task import StepTask

__all__ = ["content_differences", "recipe_differences", "sidecar_differences"]

_CHUNK = 1 << 20
_SHOWN = 5


def recipe_differences(recorded: Mapping[str, Any], task: StepTask) -> list[str]:
    """What is not as it was when the product was made: versions first, then values of the config.

    Parameters
    ----------
    recorded : mapping
        The sidecar.
    task : StepTask
        The step as it would run now.
    """
    return sidecar_differences(recorded, task.sidecar(Cost()))


def sidecar_differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what two sidecars of products of the same step say that they were made differently: versions, then config."""
    tag = now["step"]["tag"]
    versions = {f"step type {tag}": (recorded["step"]["version"], now["step"]["version"])}
    for group in ("packages", "code"):
        names = sorted({*recorded.get(group, {}), *now[group]})
        versions |= {name: (recorded.get(group, {}).get(name), now[group].get(name)) for name in names}
    notes = [f"{name}: {said(then)} → {said(today)}" for name, (then, today) in versions.items() if then != today]
    config = dict(leaves("", recorded["config"])), dict(leaves("", now["config"]))
    keys = sorted(key for key in {*config[0], *config[1]} if config[0].get(key) != config[1].get(key))
    return notes + [f"config {key}: {said(config[0].get(key))} → {said(config[1].get(key))}" for key in keys]


def content_differences(recorded: Mapping[str, Any], product: Product, payload: Callable[[], Path | None]) -> list[str]:
    """In what a product that was made again is another one than its sidecar, and its payload, say; empty if in nothing.

    Parameters
    ----------
    recorded : mapping
        The sidecar.
    product : Product
        What was made again.
    payload : callable
        Gives the payload in the store, verified.

    Raises
    ------
    ProductMissing, ProductCorrupt
        If what was made is gone again.
    """
    outcomes = [f"{one['status']} {one.get('reason_class', '')}".strip() for one in (recorded, product.sidecar)]
    if outcomes[0] != outcomes[1]:
        return [f"outcome: {outcomes[0]} → {outcomes[1]}: {product.sidecar.get('reason', '')}".rstrip(": ")]
    if product.path is None:
        reasons = [str(one.get("reason", "")) for one in (recorded, product.sidecar)]
        return [] if reasons[0] == reasons[1] else [f"reason: {reasons[0]} → {reasons[1]}"]
    same = product.sidecar["payload"]["sha256"] == recorded["payload"]["sha256"]
    try:
        original = payload()
    except ProductError as error:
        return [f"made again{'' if same else ' with other bytes'}, but the one in the store is damaged: {error}"]
    if same or original is None:
        return []
    return [_where(original, product.path), *_metrics(recorded.get("metrics", {}), product.metrics)]


def _where(first: Path, second: Path) -> str:
    """Sizes and the first byte that differs."""
    sizes = f"{first.stat().st_size} → {second.stat().st_size} bytes"
    with first.open("rb") as one, second.open("rb") as other:
        for number in count():
            left, right = one.read(_CHUNK), other.read(_CHUNK)
            if left != right:
                pairs = zip(left, right, strict=False)
                place = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
                return f"payload: {sizes}, different from byte {number * _CHUNK + place} on"
    raise AssertionError("unreachable")


def _metrics(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    left, right = dict(leaves("", recorded)), dict(leaves("", now))
    names = [name for name in sorted({*left, *right}) if left.get(name) != right.get(name)]
    shown = [f"{name}: {said(left.get(name))} → {said(right.get(name))}" for name in names[:_SHOWN]]
    return shown + ([f"and {len(names) - _SHOWN} more metrics"] if len(names) > _SHOWN else [])
