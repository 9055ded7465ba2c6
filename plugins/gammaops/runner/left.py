"""What the tasks of a step have left behind, and what that makes of the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammaops.errors import ProductError
from gammaops.products import rows_of
from gammaops.runner.attempts import killed_rows
from gammaops.runner.failures import COLLECT, PARTS, SPLIT, TASK, failure_notes
from gammaops.runner.last_words import killed_in_words, last_words
from gammaops.runner.tasks import parts_by_label, rows_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gammaops.plan import PlannedStep
    from gammaops.products import Product
    from gammaops.runner.run import Run

__all__ = ["Left", "step_state"]


@dataclass(frozen=True)
class Left:
    """What the tasks of a step left: table rows, parts by label, products by name, and what of it is damaged.

    `listed` says whether there is a table at all; it may have no row. `notes` are what it says beside its rows.
    """

    listed: bool
    rows: Sequence[Mapping[str, Any]]
    parts: Mapping[str, Product]
    products: Mapping[str, Product]
    damaged: tuple[str, ...]
    notes: Sequence[str] = ()

    @classmethod
    def of(cls, run: Run, step: PlannedStep, results: Mapping[str, Any]) -> Left:
        """Open what the tasks returned; what cannot be read is damaged, and nothing else is lost with it."""
        damaged: list[str] = []

        def opened(read: Callable[[str], Any], path: str, nothing: Any) -> Any:
            try:
                return read(path)
            except ProductError as error:
                damaged.append(str(error))
                return nothing

        fragments, product = results.get("fragments"), results.get("product")
        rows = opened(lambda path: rows_at(run, rows_of(path)[0]), fragments[0], ()) if fragments else ()
        notes = opened(lambda path: _notes(run, path), fragments[0], ()) if fragments else ()
        parts: dict[str, Product] = {}
        for path in results.get("parts") or ():
            parts |= opened(lambda path: parts_by_label(run, [path]), path, {})
        products = opened(lambda path: _products(run, step, path), product, {}) if product else {}
        return cls(bool(fragments), rows, parts, products, tuple(dict.fromkeys(damaged)), notes)

    @property
    def left_out(self) -> list[str]:
        """Names of the rows that are not in the product, each with why."""
        refused = [f"{row['label']}: {row['reason']}" for row in self.rows if row["status"] != "selected"]
        return refused + [
            f"{label}: {one.sidecar['reason']}" for label, one in self.parts.items() if one.status != "ok"
        ]

    @property
    def lost(self) -> list[str]:
        """Labels of the rows that were to be made and have no outcome."""
        return [row["label"] for row in self.rows if row["status"] == "selected" and row["label"] not in self.parts]


def _notes(run: Run, fragment: str) -> Sequence[str]:
    return tuple(run.store.open(rows_of(fragment)[0]).metrics.get("notes", ()))


def _products(run: Run, step: PlannedStep, path: str) -> dict[str, Product]:
    """A step's products by their names in the config."""
    product = run.store.open(path)
    if product.kind != "outputs":
        return {step.products[output]: product for output in step.spec.produces}
    return {step.products[member.row["name"]]: member for member in product.members}


def step_state(run: Run, step: PlannedStep, left: Left, states: Mapping[str, str]) -> tuple[str, str]:
    """``ok``, ``no_work`` (a good reason not to have a product) or ``failed``, and why."""
    notes = [note for note in failure_notes(run, step.name) if _still_counts(note, left)]
    errors = [f"{note['class']}: {note['reason']}" for note in notes if not note["no_work"]]
    if left.damaged:
        return "failed", "; ".join(left.damaged)
    if left.lost and not step.spec.observations:
        words = last_words(run, step.name)
        why = next((words[label] for label in left.lost if label in words), "the tasks ended without a word")
        return "failed", f"no outcome for {', '.join(left.lost)} ({why}); clear these tasks"
    if left.products:
        return _judged(step, left, states)
    if errors:
        return "failed", errors[-1]
    if notes:
        return "no_work", "; ".join([notes[-1]["reason"], *_left_out(step, left), *left.notes])
    for upstream in step.upstream:
        if states[upstream] != "ok":
            return states[upstream], f"the step {upstream!r} made no product"
    return "failed", _without_words(run, step)


def _without_words(run: Run, step: PlannedStep) -> str:
    """Why a step has no product of which no task says anything."""
    if any(killed_rows(run, step.name, role) for role in (SPLIT, COLLECT, TASK)):
        return f"{killed_in_words('')}; give it more memory or less to do, then clear it"
    return "its task ended without a product and without a word; see the task's log"


def _judged(step: PlannedStep, left: Left, states: Mapping[str, str]) -> tuple[str, str]:
    """``ok``, unless a product says of itself that its numbers refuse the run; then it is there to be looked at."""
    refused = [product.metrics["refused"] for product in left.products.values() if product.metrics.get("refused")]
    if refused:
        return "failed", "; ".join(refused)
    return "ok", "; ".join(filter(None, [_partial(step, states), *_left_out(step, left), *left.notes]))


def _partial(step: PlannedStep, states: Mapping[str, str]) -> str:
    """That the product was made from some of the inputs only; empty if all were there."""
    absent = [name for name in step.upstream if states[name] != "ok"]
    if not absent:
        return ""
    used, names = len(step.upstream) - len(absent), ", ".join(map(repr, absent))
    return f"partial: made from {used} of {len(step.upstream)} inputs, nothing came from {names}"


def _still_counts(note: Mapping[str, Any], left: Left) -> bool:
    """Whether the task of a note has not succeeded in a later try."""
    if note["role"] == SPLIT:
        return not left.listed
    if note["role"] == PARTS:
        return any(label in left.lost for label in note["labels"])
    if note["role"] == COLLECT and not left.listed:
        return False
    return not left.products


def _left_out(step: PlannedStep, left: Left) -> list[str]:
    """Rows that are not in the product; of observations the ledger tells."""
    return [] if step.spec.observations else left.left_out
