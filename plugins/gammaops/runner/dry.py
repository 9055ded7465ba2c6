"""A run that computes nothing: its product is the plan, with reasons and what it would take."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gammaops.runner.forecast import FAILS, REUSED, forecast
from gammaops.runner.scope import scope_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.runner.forecast import StepForecast
    from gammaops.runner.run import Provenance, Run

__all__ = ["finish_dry", "in_sum"]


def finish_dry(run: Run, who: Provenance) -> str:
    """Write ``run.json`` and ``report.html`` of a dry run.

    Returns
    -------
    str
        Path of the report.
    """
    from gammaops.report import render_plan

    request = run.request
    found = forecast(run.config, run.store, run.scope, reuse=request["reuse"], steps=tuple(request["steps"]))
    line = f"{run.config.name}, {scope_in_words(run.scope)}: DRY RUN: {in_sum(found)}"
    record = {
        "analysis": run.config.name,
        "run": run.folder.relative,
        "version": run.folder.version,
        "name": request["name"],
        "scope": request["scope"],
        "nights": sorted(run.scope.nights),
        "verdict": {"line": line, "ok": not any(task.state == FAILS for step in found for task in step.tasks)},
        "ledger": [],
        "steps": [],
        "plan": [asdict(step) for step in found],
        "config_digest": run.config.digest,
        "provenance": {**{key: request[key] for key in ("who", "code", "params", "reuse")}, "reported_by": asdict(who)},
    }
    _write_once(run, record, render_plan(record))
    return run.folder.uri_of("report.html")


def in_sum(steps: Sequence[StepForecast]) -> str:
    """How many tasks would run, and what they would take as far as earlier ones tell."""
    tasks = [task for step in steps for task in step.tasks]
    reused, to_do = sum(task.state == REUSED for task in tasks), sum(step.to_do for step in steps)
    known = [step.expected for step in steps if step.expected]
    cpu, size = sum(one.cpu_seconds for one in known), sum(one.megabytes for one in known)
    memory = max((one.peak_memory_mb for one in known), default=0.0)
    cost = f", about {cpu:.0f} s of CPU, {size:.1f} MB of disk, {memory:.0f} MB of memory" if known else ""
    return f"{reused} of {len(tasks)} tasks are reused; {to_do} run or may have to{cost}"


def _write_once(run: Run, record: Mapping[str, Any], page: str) -> None:
    with suppress(FileExistsError):
        run.folder.create_json("run.json", record)
        run.folder.create("report.html", page.encode())
