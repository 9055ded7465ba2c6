"""What a run would do, task by task, and why: with the keys of a real run, and nothing is computed or written."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from gammaops.errors import GammaopsError, NoWorkFound
from gammaops.products import RunFolder
from gammaops.runner.history import History, sidecars_of
from gammaops.runner.publishing import outputs_made, part_made, source_digests
from gammaops.runner.reasons import changes_of
from gammaops.runner.run import Provenance, Run, requested
from gammaops.runner.science import read_rows, write_rows
from gammaops.runner.task import Cost, StepTask
from gammaops.runner.tasks import joined_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.config import AnalysisConfig
    from gammaops.plan import PlannedStep
    from gammaops.products import Product, ProductStore
    from gammaops.steps.base import Fan, Scope

    _Found: TypeAlias = "tuple[list[TaskForecast], Product | None]"

__all__ = ["Expected", "StepForecast", "TaskForecast", "forecast"]

REUSED, RUNS, WAITS, NO_WORK, FAILS = "reused", "runs", "waits", "no work", "fails"
NEVER = "nothing like it was made before"


@dataclass(frozen=True)
class TaskForecast:
    """What one task would do.

    Parameters
    ----------
    name : str
        The row, ``collect``, or empty for the one task of a step.
    state : str
        ``reused``, ``runs``, ``waits`` (for inputs that will be made anew, so that nobody knows yet), ``no work`` or
        ``fails``.
    reasons : tuple of str
    """

    name: str
    state: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What some tasks will take, as earlier ones did: CPU seconds and megabytes in the store in sum, memory at most."""

    cpu_seconds: float
    megabytes: float
    peak_memory_mb: float
    earlier: int


@dataclass(frozen=True)
class StepForecast:
    """The tasks of a step, and what those that would run will take; None where no earlier one tells."""

    step: str
    tag: str
    tasks: tuple[TaskForecast, ...]
    expected: Expected | None = None

    @property
    def to_do(self) -> int:
        """How many tasks would run, as far as anybody knows."""
        return sum(task.state in (RUNS, WAITS) for task in self.tasks)


def forecast(
    config: AnalysisConfig, store: ProductStore, scope: Scope, *, reuse: str = "use", steps: tuple[str, ...] = ()
) -> list[StepForecast]:
    """What a run with these arguments would do.

    Parameters
    ----------
    config, store, scope, reuse, steps
        As in `gammaops.runner.begin`.

    Raises
    ------
    ConfigError
        If such a run would be refused.
    """
    request = requested(config, scope, name="planned", reuse=reuse, steps=steps)
    run = Run(RunFolder(store, f"runs/{config.name}/planned/v000"), config, request)
    walk = _Walk(run, History(store, config.name))
    return [walk.step(step) for step in run.plan.steps]


class _Walk:
    """Goes from step to step, and remembers which product each has in the store already."""

    def __init__(self, run: Run, history: History) -> None:
        self.run, self.history = run, history
        self.products: dict[str, Product | None] = {}

    def step(self, step: PlannedStep) -> StepForecast:
        """What the tasks of the next step would do."""
        waits = [name for name in step.upstream if name in self.products and self.products[name] is None]
        try:
            tasks, product = self._tasks(step) if not waits else (self._waiting(step, waits), None)
        except NoWorkFound as error:
            tasks, product = [TaskForecast("", NO_WORK, (str(error),))], None
        except (GammaopsError, OSError) as error:
            tasks, product = [TaskForecast("", FAILS, (str(error),))], None
        if tasks[0].state != NO_WORK:
            self.products[step.name] = product
        return StepForecast(step.name, step.spec.tag, tuple(tasks), self._expected(step, tasks))

    def _waiting(self, step: PlannedStep, waits: Sequence[str]) -> list[TaskForecast]:
        """As many tasks as there were last time."""
        rows = len(self.history.of_step(step.name).get("parts", ())) if step.spec.fan_out else 0
        reasons = [f"reads what will be made anew: {', '.join(waits)}"]
        if step.spec.fan_out:
            reasons.append(f"about {rows} {step.spec.fan_out.over}, as last time" if rows else "how many, nobody knows")
        return [TaskForecast("", WAITS, tuple(reasons))] * (rows + 1)

    def _tasks(self, step: PlannedStep) -> _Found:
        paths = {
            role: [product.uri if (product := self.products.get(source.step)) else "" for source in sources]
            for role, sources in step.inputs.items()
        }
        task = StepTask.load(self.run, step.name, paths, Provenance())
        return self._fan(task, step.spec.fan_out) if step.spec.fan_out else self._one(task, "")

    def _one(self, task: StepTask, name: str, parts: Sequence[Product] = ()) -> _Found:
        """The task that publishes the step's product."""
        more: dict[str, Any] = {"parts": joined_from(parts)} if parts else {}
        product = None if self._rebuilds else outputs_made(task, **more)
        if product:
            return [TaskForecast(name, REUSED)], product
        earlier = self.history.of_step(task.step.name)
        return [TaskForecast(name, RUNS, self._reasons(earlier, {**task.sidecar(Cost()), **more}))], None

    def _fan(self, task: StepTask, fan: Fan) -> _Found:
        prepared = task.prepared()
        rows = [row for row in _rows(task, prepared) if row["status"] == "selected"]
        found = [None if self._rebuilds else part_made(task, fan, prepared, row) for row in rows]
        tasks = [
            TaskForecast(row["label"], REUSED if part else RUNS, () if part else self._why(task, prepared, row))
            for row, part in zip(rows, found, strict=True)
        ]
        if not rows:
            raise NoWorkFound(f"none of the {fan.over} is selected")
        if None in found:
            number = sum(part is None for part in found)
            reason = f"{number} of its {len(rows)} parts will be made anew"
            return [*tasks, TaskForecast("collect", WAITS, (reason,))], None
        usable = [part for part in found if part is not None and part.status == "ok"]
        if not usable:
            raise NoWorkFound(f"none of the {len(rows)} {fan.over} can be used")
        last, product = self._one(task, "collect", usable)
        return [*tasks, *last], product

    def _why(self, task: StepTask, prepared: Any, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Why the part of a row is not there: against what was made of this observation last, or by this step."""
        now = task.sidecar(Cost())
        if not task.step.spec.observations:
            return self._reasons(self.history.of_step(task.step.name), now)
        try:
            now["sources"] = source_digests(task, prepared, row)
        except FileNotFoundError as error:
            return (f"{error.filename} is not there",)
        return self._reasons(self.history.of_observation(task.step.name, int(row["obs_id"])), now)

    def _reasons(self, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
        if self._rebuilds:
            return ("reuse: rebuild",)
        if not earlier:
            return (NEVER,)
        notes = changes_of(earlier, now)
        if "parts" in now and earlier.get("parts") != now["parts"]:
            known = {tuple(part[:2]) for part in earlier.get("parts", ())}
            new = sum(tuple(part[:2]) not in known for part in now["parts"])
            gone = len(known) - (len(now["parts"]) - new)
            words = f"{new} of its {len(now['parts'])} parts are new, {gone} are gone"
            notes.append(words if new or gone else "its parts come in another order, or other things are said of them")
        return tuple(notes) or ("what was made is gone or damaged, or its row says something else",)

    @property
    def _rebuilds(self) -> bool:
        return bool(self.run.request["reuse"] == "rebuild")

    def _expected(self, step: PlannedStep, tasks: Sequence[TaskForecast]) -> Expected | None:
        """What the tasks that would run will take, from earlier parts and products of the step."""
        to_do = [task for task in tasks if task.state in (RUNS, WAITS)]
        made = next(iter(step.spec.produces.values()), None)
        if not to_do or made is None:
            return None
        found = _Costs(self.run, step.name)
        last = found.of(made.kind, 1)
        parts = found.of(step.spec.fan_out.part.kind, len(to_do) - 1) if step.spec.fan_out else None
        known = [one for one in (last, parts) if one is not None]
        if not known:
            return None
        return Expected(
            round(sum(one.cpu_seconds for one in known), 1),
            round(sum(one.megabytes for one in known), 3),
            max(one.peak_memory_mb for one in known),
            sum(one.earlier for one in known),
        )


@dataclass(frozen=True)
class _Costs:
    run: Run
    step: str

    def of(self, kind: str, number: int) -> Expected | None:
        """What so many products of a kind will take."""
        sidecars = list(sidecars_of(self.run.store, kind, self.run.config.name, self.step))
        sidecars = [one for one in sidecars if one.get("payload")]
        if not sidecars or not number:
            return None
        seconds = median(one["cpu_seconds"] for one in sidecars)
        size = median(one["payload"]["size"] for one in sidecars) / 1e6
        return Expected(number * seconds, number * size, max(one["peak_memory_mb"] for one in sidecars), len(sidecars))


def _rows(task: StepTask, prepared: Any) -> Sequence[Mapping[str, Any]]:
    """The rows of the fan-out's table as tasks would read them."""
    table = task.science.split(prepared, task.inputs, task.run.scope)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.ecsv"
        write_rows(table, path)
        return read_rows(path)
