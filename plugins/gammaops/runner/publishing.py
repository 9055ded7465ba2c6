"""From a computation to products: reuse what exists, else compute in scratch, publish, describe."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gammaops.errors import DamagedFile, DataError, NoWorkFound, ProductError, ProductMissing
from gammaops.products import IndexDraft, Member, content_key, file_sha256, member_key
from gammaops.runner.arrival import is_arriving
from gammaops.runner.science import make_reproducible, write_rows
from gammaops.runner.sums import KnownSums, part_name
from gammaops.runner.task import PART, Cost, digests_of, measured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gammaops.products import Product
    from gammaops.runner.task import StepTask
    from gammaops.steps.base import Fan

__all__ = [
    "OUTPUTS",
    "outputs_made",
    "outputs_product",
    "part_made",
    "part_product",
    "rows_product",
    "source_digests",
]

log = logging.getLogger(__name__)
OUTPUTS = "outputs"
# What was said of a row when it was selected, decisions of people among it, changes no byte of its product.
VOLATILE = frozenset({"label", "status", "reason_class", "reason", "night", "override"})


def rows_product(task: StepTask, fan: Fan, table: Any) -> Product:
    """Publish a fan-out's table under a key of its own bytes; notes in its meta are for the report."""
    store = task.run.store
    with store.scratch() as folder:
        path = folder / "rows.ecsv"
        write_rows(table, path)
        spec = task.step.spec
        key = content_key({"tag": spec.tag, "version": spec.version, "table": file_sha256(path)})
        metrics = {"notes": list(table.meta["notes"])} if table.meta.get("notes") else {}
        return store.find(fan.table, key) or store.publish(fan.table, key, path, task.sidecar(Cost(), metrics))


def _always(_kind: str, _key: str, _described: Mapping[str, Any]) -> None:
    """Nothing speaks against computing a row."""


def part_product(
    task: StepTask,
    fan: Fan,
    prepared: Any,
    row: Mapping[str, Any],
    begin: Callable[[str, str, Mapping[str, Any]], Product | None] = _always,
) -> Product:
    """The product of one row: taken from the store, computed, or an outcome without payload.

    `begin` is called before it is computed, with its kind, its key and what its sidecar says of it; what it returns is
    the outcome of a row that is not to be computed.
    """
    content, sources = _content(row), source_digests(task, prepared, row)
    kind = fan.part.kind
    key = _part_key(task, prepared, row, sources)
    found = _reusable(task, kind, key)
    if found:
        return found
    said = {name: row[name] for name in sorted(VOLATILE & row.keys()) if row[name] != ""}
    described = {"item": {"label": row["label"], "row": content, "said": said}, "sources": sources}
    refused = begin(kind, key, described)
    if refused:
        return refused
    store = task.run.store
    with store.scratch() as folder:
        path = folder / f"part{fan.part.suffix}"
        try:
            with measured() as cost:
                metrics = task.science.run(prepared, task.inputs, {kind: path}, row)
        except (DataError, NoWorkFound) as error:
            _refuse_change(task, prepared, row, sources, file_sha256)
            if isinstance(error, DamagedFile) and is_arriving(task, prepared, row):
                return _arriving(task, kind, key, error, described)
            return _outcome(task, kind, key, error, described)
        _refuse_change(task, prepared, row, sources, store.digests.sha256)
        return _publish(task, kind, key, path, task.sidecar(cost, metrics, **described))


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is empty says nothing; so another column leaves the keys of rows that have nothing in it."""
    return {name: value for name, value in row.items() if name not in VOLATILE and value != ""}


def _part_key(task: StepTask, prepared: Any, row: Mapping[str, Any], sources: Sequence[Mapping[str, str]]) -> str:
    """The key of a part: of its row's content, the files that it is made from, and the inputs that it uses."""
    uses = getattr(task.science, "uses", None)
    used = {"inputs": digests_of(uses(prepared, task.inputs, row))} if uses else {}
    digests = [source["sha256"] for source in sources]
    return content_key(task.ingredients(PART, row=_content(row), sources=digests, **used))


def part_made(task: StepTask, fan: Fan, prepared: Any, row: Mapping[str, Any]) -> Product | None:
    """The part of a row if the store has it already; a file that cannot be read is left to the part."""
    try:
        key = _part_key(task, prepared, row, source_digests(task, prepared, row))
    except FileNotFoundError:
        return None
    return task.run.store.find(fan.part.kind, key)


def outputs_made(task: StepTask, **more: Any) -> Product | None:
    """The product of a step, or of its collect, if the store has all of it already; arguments as `outputs_product`."""
    store, keys = task.run.store, _output_keys(task, more)
    found = {name: store.find(made.kind, keys[name]) for name, made in task.step.spec.produces.items()}
    if not all(found.values()):
        return None
    return next(iter(found.values())) if len(found) == 1 else store.find(OUTPUTS, content_key(keys))


def _output_keys(task: StepTask, more: Mapping[str, Any]) -> dict[str, str]:
    """The key of each output of a step."""
    return {name: content_key(task.ingredients(name, **more)) for name in task.step.spec.produces}


def _outcome(task: StepTask, kind: str, key: str, error: Exception, described: Mapping[str, Any]) -> Product:
    status = "quarantined" if isinstance(error, DataError) else "no_work"
    reason = {"reason_class": getattr(error, "reason_class", "no-work"), "reason": getattr(error, "reason", str(error))}
    log.warning("%s %s: %s", described["item"]["label"], status, error)
    found = task.run.store.find(kind, key)
    if found and found.path is not None:
        raise ProductError(
            f"{found.uri} was made from the same files, and now they are refused ({error}); it stays as it is. Find out"
            " what differs (host, library build, a read error of the disk) and run it again"
        )
    return task.run.store.publish_outcome(kind, key, status, task.sidecar(Cost(), {}, **reason, **described))


def _arriving(task: StepTask, kind: str, key: str, error: DataError, described: Mapping[str, Any]) -> Product:
    """That a row waits for a file; of this run alone, since the next one asks again."""
    log.warning("%s is still being copied: %s", described["item"]["label"], error)
    reason = {"reason_class": "incoming", "reason": f"changed a moment ago, and not whole: {error.reason}"}
    once = content_key({"arriving": key, "run": task.run.folder.relative})
    return task.run.store.publish_outcome(kind, once, "missing", task.sidecar(Cost(), {}, **reason, **described))


def _refuse_change(
    task: StepTask,
    prepared: Any,
    row: Mapping[str, Any],
    sources: Sequence[Mapping[str, str]],
    sha256: Callable[[Path], str],
) -> None:
    """Make sure that what was read is what the key names.

    Raises
    ------
    OSError
        If a file was replaced meanwhile, or is read differently now: the next try reads it anew.
    """
    if _source_digests(task, prepared, row, sha256) != sources:
        raise OSError(f"the files of {row['label']} were replaced while they were read, or not read as they are")


def source_digests(task: StepTask, prepared: Any, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Name and SHA-256 of the files outside the store that a row is made from; the row itself says where they lie."""
    return _source_digests(task, prepared, row, task.run.store.digests.sha256)


def _source_digests(
    task: StepTask, prepared: Any, row: Mapping[str, Any], sha256: Callable[[Path], str]
) -> list[dict[str, str]]:
    sources = getattr(task.science, "sources", None)
    return [{"name": path.name, "sha256": sha256(path)} for path in sources(prepared, row)] if sources else []


def outputs_product(task: StepTask, compute: Callable[[Mapping[str, Any]], Mapping[str, Any]], **more: Any) -> Product:
    """The product of a step, or of its collect; an index of kind ``outputs`` where the step type makes several.

    Parameters
    ----------
    task : StepTask
    compute : callable
        Writes every output to the drafts that it gets by name, and returns metrics.
    **more
        Further ingredients of the key, such as the digests of the parts.
    """
    spec = task.step.spec
    keys = _output_keys(task, more)
    found = {name: _reusable(task, made.kind, keys[name]) for name, made in spec.produces.items()}
    if not all(found.values()):
        found = _computed(task, compute, keys, more)
    products = {name: product for name, product in found.items() if product}
    if len(products) == 1:
        return next(iter(products.values()))
    members = [Member({"name": name}, product=product) for name, product in products.items()]
    return task.run.store.publish_index(OUTPUTS, content_key(keys), members, _index_sidecar(task, Cost(), {}))


def _computed(
    task: StepTask,
    compute: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    keys: Mapping[str, str],
    more: Mapping[str, Any],
) -> dict[str, Product | None]:
    store = task.run.store
    with store.scratch() as folder:
        drafts: dict[str, Any] = {}
        for name, made in task.step.spec.produces.items():
            room = folder / name
            room.mkdir()
            known_sums = KnownSums(task, name)
            drafts[name] = IndexDraft(room, ".fits", known_sums) if made.member else room / f"{name}{made.suffix}"
        with measured() as cost:
            metrics = compute(drafts)
        return {name: _published(task, name, keys[name], draft, cost, metrics, more) for name, draft in drafts.items()}


def _published(
    task: StepTask,
    name: str,
    key: str,
    draft: Any,
    cost: Cost,
    metrics: Mapping[str, Any],
    more: Mapping[str, Any],
) -> Product:
    made = task.step.spec.produces[name]
    store = task.run.store
    if isinstance(draft, IndexDraft):
        members = [_new_member(task, made.member, key, member, cost) for member in draft.members]
        return store.publish_index(made.kind, key, members, _index_sidecar(task, cost, metrics, **more))
    return _publish(task, made.kind, key, draft, task.sidecar(cost, metrics, **more))


def _new_member(task: StepTask, kind: str, index_key: str, member: Member, cost: Cost) -> Member:
    """Publish a member that was made for this index; one that exists already is only listed."""
    if member.path is None:
        return member
    if member.sum:
        key, more = member.sum.key, {"parts": [[part_name(one), one.digest] for one in member.sum.parts]}
    else:
        key, more = member_key(index_key, member.row["name"]), {}
    product = _publish(task, kind, key, member.path, task.sidecar(cost, member.row, **more))
    return Member(member.row, product=product)


def _index_sidecar(task: StepTask, cost: Cost, metrics: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return task.sidecar(cost, metrics, index=True, **more)


def _reusable(task: StepTask, kind: str, key: str) -> Product | None:
    """What the run may take from the store instead of computing.

    Raises
    ------
    ProductMissing
        If the run may compute nothing.
    """
    reuse = task.run.request["reuse"]
    if reuse == "rebuild":
        return None
    found = task.run.store.find(kind, key)
    if found is None and reuse == "only":
        raise ProductMissing(
            f"no {kind} for the step {task.step.name!r} is in the store (key {key}), and reuse: only forbids making it;"
            " use reuse: use"
        )
    return found


def _publish(task: StepTask, kind: str, key: str, path: Path, sidecar: Mapping[str, Any]) -> Product:
    """Publish a payload; an outcome without one that a rebuild finds under its key was a judgement, and gives way.

    Raises
    ------
    ProductError
        If another payload has this key already: the same input gave other bytes.
    """
    make_reproducible(path)
    digest, store = file_sha256(path), task.run.store
    product = store.publish(kind, key, path, sidecar)
    if product.path is None and task.run.request["reuse"] == "rebuild":
        store.withdraw(product, "made again by a rebuild, which found nothing wrong")
        product = store.publish(kind, key, path, sidecar)
    if product.path is None or product.sidecar["payload"]["sha256"] != digest:
        raise ProductError(
            f"{product.uri} was published with other bytes for the same input; it stays as it is. "
            "Find out what differs (host, library build) and report it"
        )
    return product
