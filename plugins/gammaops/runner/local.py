"""A whole run in this process: what the command line and Python use instead of Airflow."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gammaops.errors import GammaopsError, NoWorkFound
from gammaops.products import RunFolder
from gammaops.runner.ending import finish, verdict
from gammaops.runner.parts import Part, check_backend, run_parts
from gammaops.runner.run import Provenance, Run, begin
from gammaops.runner.tasks import collect, run_task, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gammaops.config import AnalysisConfig
    from gammaops.ledger import Verdict
    from gammaops.plan import PlannedStep
    from gammaops.products import ProductStore
    from gammaops.steps.base import Scope

__all__ = ["LocalRun", "Progress", "run_plan"]

log = logging.getLogger(__name__)
Progress = "Callable[[str, int, int], None]"


@dataclass(frozen=True)
class LocalRun:
    """What a run left.

    Parameters
    ----------
    verdict : Verdict
        Its judgement.
    report : str
        Product path of ``report.html``.
    products : mapping of str to str
        Product path of each step that made one, by the step's name.
    without : mapping of str to str
        Why, of each step that had nothing to make.
    """

    verdict: Verdict
    report: str
    products: Mapping[str, str]
    without: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Results:
    """What each step's tasks returned so far, and which steps failed or wait in vain for one that did."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def inputs_of(self, step: PlannedStep) -> dict[str, list[str]]:
        return {
            role: [self.tasks[source.step].get("product") or "" for source in sources]
            for role, sources in step.inputs.items()
        }


def run_plan(
    config: AnalysisConfig,
    store: ProductStore,
    scope: Scope,
    *,
    name: str,
    reuse: str = "use",
    steps: tuple[str, ...] = (),
    params: Mapping[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LocalRun:
    """Run an analysis, step after step; a step that fails never keeps an independent one from running.

    Parameters
    ----------
    config, store, scope, name, reuse, steps, params
        As in `gammaops.runner.begin`.
    progress : callable, optional
        Called with a step's name, how many of its tasks are finished, and how many there are.

    Returns
    -------
    LocalRun
    """
    check_backend(config)
    run = Run.open(begin(config, store, scope, name=name, reuse=reuse, steps=steps, params=params))
    tell = progress or _silent
    results = _Results()
    for step in run.plan.steps:
        results.tasks[step.name] = {}
        if not step.lenient and results.failed.intersection(step.upstream):
            results.failed.add(step.name)
        else:
            _run_step(run, step, results, tell)
    report = finish(run, results.tasks, Provenance())
    products = {name: task["product"] for name, task in results.tasks.items() if task.get("product")}
    record = RunFolder.of(store, report).read_json("run.json")
    without = {one["name"]: one["reason"] for one in record["steps"] if one["status"] == "no_work"}
    return LocalRun(verdict(run, results.tasks, report), report, products, without)


def _silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


def _run_step(run: Run, step: PlannedStep, results: _Results, tell: Callable[[str, int, int], None]) -> None:
    """Run the tasks of one step; an error ends this step only, and is in the run folder's failure notes."""
    task, inputs = results.tasks[step.name], results.inputs_of(step)
    try:
        if step.spec.fan_out is None:
            tell(step.name, 0, 1)
            task["product"] = run_task(run, step.name, inputs, Provenance())
            tell(step.name, 1, 1)
            return
        task["fragments"] = split(run, step.name, inputs, Provenance())
        task["parts"] = _parts(run, step, inputs, task["fragments"], tell)
        task["product"] = collect(run, step.name, inputs, task["fragments"], task["parts"], Provenance())
    except NoWorkFound as reason:
        log.info("%s: no work: %s", step.name, reason)
    except (GammaopsError, OSError) as error:
        results.failed.add(step.name)
        log.error("the step %r failed: %s", step.name, error)  # noqa: TRY400 - it says what to do
    except Exception:
        results.failed.add(step.name)
        log.exception("the step %r failed", step.name)


def _parts(
    run: Run,
    step: PlannedStep,
    inputs: dict[str, list[str]],
    fragments: list[str],
    tell: Callable[[str, int, int], None],
) -> list[str]:
    total = len(fragments)
    tell(step.name, 0, total)
    parts = [Part(run.uri, step.name, inputs, fragment, number) for number, fragment in enumerate(fragments)]
    return run_parts(run, parts, lambda done: tell(step.name, done, total))
