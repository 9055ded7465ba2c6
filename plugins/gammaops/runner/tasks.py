"""The tasks of a step: split, run a part, collect; or the one task of a step without fan-out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gammaops.errors import NoWorkFound, ProductMissing
from gammaops.products import Member, content_key, rows_of, with_rows
from gammaops.runner.attempts import attempt, refuse_after_kills
from gammaops.runner.failures import COLLECT, PARTS, SPLIT, TASK, noting_failure
from gammaops.runner.preflight import check_room
from gammaops.runner.publishing import outputs_product, part_product, rows_product
from gammaops.runner.refusals import Beginning
from gammaops.runner.science import read_rows
from gammaops.runner.sums import part_name
from gammaops.runner.task import Cost, StepTask
from gammaops.runner.vetoes import decide_vetoes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gammaops.plan import PlannedStep
    from gammaops.products import Product
    from gammaops.runner.failures import FailureNote
    from gammaops.runner.run import Provenance, Run
    from gammaops.steps.base import Fan

__all__ = [
    "OUTCOMES",
    "Outcome",
    "chunk",
    "collect",
    "joined",
    "joined_from",
    "made",
    "nothing",
    "parts_by_label",
    "rows_at",
    "run_part",
    "run_task",
    "split",
]

log = logging.getLogger(__name__)
MAX_MAPPED = 1024
OUTCOMES = "outcomes"


@dataclass(frozen=True)
class Outcome:
    """What a mapped task leaves: the path of its product, and what the UI calls the task."""

    path: str
    label: str


def run_task(run: Run, name: str, inputs: Mapping[str, Sequence[str]], who: Provenance) -> str:
    """Run a step without fan-out.

    Returns
    -------
    str
        Path of its product; of an index of kind ``outputs`` where the step type makes several.

    Raises
    ------
    NoWorkFound, AlgorithmError, ProductError
        See `gammaops.errors`.
    """
    with noting_failure(run, name, TASK, who), attempt(run, name, TASK, who) as tried:
        refuse_after_kills(tried)
        tried.at("")
        return made(StepTask.load(run, name, inputs, who)).uri


def made(task: StepTask) -> Product:
    """The product of a step without fan-out."""
    return outputs_product(task, lambda out: task.science.run(task.prepared(), task.inputs, out))


def split(run: Run, name: str, inputs: Mapping[str, Sequence[str]], who: Provenance) -> list[str]:
    """Make the table of a fan-out's rows.

    Returns
    -------
    list of str
        One path per mapped task, at most 1,024: the table's with the rows that the task takes. Where no row is to be
        taken, one path that names no row, so that the table is known to those who come after.
    """
    with noting_failure(run, name, SPLIT, who), attempt(run, name, SPLIT, who) as tried:
        refuse_after_kills(tried)
        tried.at("")
        task = StepTask.load(run, name, inputs, who)
        if task.step.spec.observations:
            decide_vetoes(run, task.step)
        table = task.science.split(task.prepared(), task.inputs, run.scope)
        uri = rows_product(task, _fan(task), table).uri
        check_room(task, _fan(task), [row for row in rows_at(run, uri) if row["status"] == "selected"])
        selected = [index for index, status in enumerate(table["status"]) if status == "selected"]
        size = _chunk_size(run, task.step, len(selected)) if task.step.parallel else len(selected) or 1
        chunks = [selected[first : first + size] for first in range(0, len(selected), size)]
        return [with_rows(uri, range(chunk[0], chunk[-1] + 1)) for chunk in chunks] or [with_rows(uri, range(0))]


def _fan(task: StepTask) -> Fan:
    fan = task.step.spec.fan_out
    if fan is None:
        raise TypeError(f"the step type {task.step.spec.tag!r} does not fan out")
    return fan


def _chunk_size(run: Run, step: PlannedStep, rows: int) -> int:
    """Rows per mapped task: of observations as configured, else one, but never more tasks than Airflow maps."""
    wanted = (run.config.dag or {}).get("observations_per_task", "auto") if step.spec.observations else "auto"
    least = -(-rows // MAX_MAPPED) or 1
    return max(least, 1 if wanted in ("auto", None) else int(wanted))


def run_part(run: Run, name: str, inputs: Mapping[str, Sequence[str]], fragment: str, who: Provenance) -> Outcome:
    """Run the rows that a product path names; a bad observation is an outcome, not an error.

    Raises
    ------
    OSError, AlgorithmError, ProductError
        For what is not the fault of the data.
    """
    with noting_failure(run, name, PARTS, who) as note, attempt(run, name, PARTS, who) as tried:
        uri, indices = rows_of(fragment)
        rows = rows_at(run, uri)
        chosen = [rows[index] for index in indices if rows[index]["status"] == "selected"]
        note.labels = [row["label"] for row in chosen]
        task = StepTask.load(run, name, inputs, who)
        fan = _fan(task)
        if not chosen:
            return Outcome(nothing(task, fan, uri).uri, f"no {fan.over}")
        products = _part_products(task, fan, chosen, note, Beginning(task, tried))
        if len(products) == 1:
            return Outcome(products[0].uri, _label(chosen[0]["label"], products[0]))
        return _chunk_outcome(task, [row["label"] for row in chosen], products)


def _part_products(
    task: StepTask, fan: Fan, rows: Sequence[Mapping[str, Any]], note: FailureNote, begin: Beginning
) -> list[Product]:
    """The products of these rows; one that fails lets the others be made before it fails the task.

    Raises
    ------
    Exception
        What the first row that failed raised.
    """
    prepared = task.prepared()
    products: list[Product] = []
    failed: dict[str, Exception] = {}
    for row in rows:
        try:
            products.append(part_product(task, fan, prepared, row, begin))
        except Exception as error:
            if len(rows) == 1:
                raise
            log.exception("%s failed", row["label"])
            failed[row["label"]] = error
    if failed:
        note.labels = list(failed)
        raise next(iter(failed.values()))
    return products


def _label(label: str, product: Product) -> str:
    return label if product.status == "ok" else f"{label} {product.status}: {product.sidecar['reason_class']}"


def _chunk_outcome(task: StepTask, labels: Sequence[str], products: Sequence[Product]) -> Outcome:
    bad = sum(product.status != "ok" for product in products)
    label = f"{labels[0]}…{labels[-1]} ({len(labels)}{f', {bad} not usable' if bad else ''})"
    return Outcome(chunk(task, labels, products).uri, label)


def chunk(task: StepTask, labels: Sequence[str], products: Sequence[Product]) -> Product:
    """The index of what a mapped task made of several rows."""
    members = [Member({"name": name}, product=product) for name, product in zip(labels, products, strict=True)]
    key = content_key({"outcomes": [product.key for product in products]})
    return task.run.store.publish_index(OUTCOMES, key, members, task.sidecar(Cost(), index=True))


def rows_at(run: Run, uri: str) -> Sequence[Mapping[str, Any]]:
    """The rows of the table at a product path.

    Raises
    ------
    ProductMissing
        If it is not a table.
    """
    table = run.store.open(uri)
    if table.path is None:
        raise ProductMissing(f"{uri} is not a table of rows")
    return _rows_in(table.path)


@lru_cache(maxsize=1)
def _rows_in(path: Path) -> Sequence[Mapping[str, Any]]:
    """The rows of a published table, for which every part of a run without Airflow asks."""
    return read_rows(path)


def nothing(task: StepTask, fan: Fan, uri: str) -> Product:
    """The outcome of a mapped task that has no row to take."""
    key = content_key({"nothing": task.run.store.relative(uri).rpartition("/")[2]})
    sidecar = task.sidecar(Cost(), reason_class="no-work", reason=f"none of the {fan.over} was selected")
    return task.run.store.publish_outcome(fan.part.kind, key, "no_work", sidecar)


def parts_by_label(run: Run, paths: Sequence[str]) -> dict[str, Product]:
    """The products of the rows, by label, from what the mapped tasks returned."""
    return {product.sidecar["item"]["label"]: product for product in _parts(run, paths)}


def _parts(run: Run, paths: Sequence[str]) -> Iterator[Product]:
    for path in paths:
        product = run.store.open(path)
        candidates = product.members if product.kind == OUTCOMES else (product,)
        yield from (part for part in candidates if "item" in part.sidecar)


def collect(
    run: Run,
    name: str,
    inputs: Mapping[str, Sequence[str]],
    fragments: Sequence[str],
    parts: Sequence[str],
    who: Provenance,
) -> str:
    """Join the parts of a fan-out, in the order of the table's rows.

    Parameters
    ----------
    run : Run
    name : str
        The step.
    inputs : mapping
        Paths of the step's inputs by role.
    fragments : sequence of str
        What `split` returned.
    parts : sequence of str
        What the mapped tasks returned; those of tasks that failed are absent.
    who : Provenance

    Returns
    -------
    str
        Path of the step's product.

    Raises
    ------
    NoWorkFound
        If no part can be used.
    """
    with noting_failure(run, name, COLLECT, who), attempt(run, name, COLLECT, who) as tried:
        refuse_after_kills(tried)
        tried.at("")
        task = StepTask.load(run, name, inputs, who)
        rows = rows_at(run, rows_of(fragments[0])[0])
        by_label = parts_by_label(run, parts)
        present = [by_label[row["label"]] for row in rows if row["label"] in by_label]
        usable = [product for product in present if product.status == "ok"]
        if not usable:
            raise NoWorkFound(f"none of the {len(rows)} {_fan(task).over} can be used")
        return joined(task, usable).uri


def joined(task: StepTask, parts: Sequence[Product]) -> Product:
    """The product of a step that fans out, from the parts that can be used, in the order of the table's rows."""
    return outputs_product(
        task, lambda out: task.science.collect(task.prepared(), task.inputs, out, parts), parts=joined_from(parts)
    )


def joined_from(parts: Sequence[Product]) -> list[list[str]]:
    """What of parts enters the key of the product that joins them: names, bytes, and what is said of them."""
    return [[part_name(product), product.digest, content_key(product.metrics)] for product in parts]
