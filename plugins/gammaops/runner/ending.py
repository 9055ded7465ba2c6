"""The end of a run: its record, report and verdict."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gammaops.ledger import USABLE, LedgerRow, StepOutcome, Taken, Verdict, cut_flow, judge, merged, step_outcomes
from gammaops.products import RunFolder
from gammaops.runner.alerting import raised_alerts
from gammaops.runner.archives import archive_names
from gammaops.runner.last_words import last_words
from gammaops.runner.left import Left, step_state
from gammaops.runner.origins import origins_of
from gammaops.runner.previous import with_previous
from gammaops.runner.science import render_report
from gammaops.runner.scope import scope_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.plan import PlannedStep
    from gammaops.products import Product
    from gammaops.runner.run import Provenance, Run

__all__ = ["ended_folder", "finish", "judged_so_far", "verdict"]

NO_REPORT = "the report could not be written; see the log of the task report"
DEFAULT_MAX_QUARANTINED = "20 %"


def finish(run: Run, tasks: Mapping[str, Mapping[str, Any]], who: Provenance) -> str:
    """Write ``run.json`` and ``report.html``.

    Parameters
    ----------
    run : Run
    tasks : mapping
        By step: ``fragments`` (what its split returned), ``parts`` (what its mapped tasks returned), ``product`` (the
        path of its product); None or absent where a task ended without one.
    who : Provenance

    Returns
    -------
    str
        Path of the report.
    """
    record, products = _record(run, tasks)
    folder = _place(run.folder, record)
    record = {**record, "run": folder.relative, "version": folder.version}
    provenance = {**record["provenance"], "reported_by": asdict(who)}
    asked = {**record, "provenance": provenance, "steps": with_previous(run, record)}
    asked["lineage"] = origins_of(run.store, products)
    try:
        page = render_report(asked, products)
    except Exception:
        red, _ = _record(run, tasks, [NO_REPORT])
        _write_record(_place(run.folder, red), red)
        raise
    _write_record(folder, record)
    if not folder.has("report.html"):
        folder.create("report.html", page.encode())
    return folder.uri_of("report.html")


def verdict(run: Run, tasks: Mapping[str, Mapping[str, Any]], report: str | None) -> Verdict:
    """The verdict of a run, from its record; ``latest`` then names this version.

    Parameters
    ----------
    run, tasks, report
        As in `ended_folder`.
    """
    folder = ended_folder(run, tasks, report)
    folder.point_latest()
    return Verdict(**folder.read_json("run.json")["verdict"])


def judged_so_far(run: Run, name: str, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What became of the observations behind a product, when it is published: before the run has ended.

    Parameters
    ----------
    run : Run
    name : str
        The step that makes the product.
    tasks : mapping
        As in `finish`, for the steps that take observations or other data.

    Returns
    -------
    dict
        ``observations`` that are in it, and the ``verdict`` that they alone would give the run.
    """
    outcomes: list[StepOutcome] = []
    taken: list[Taken] = []
    behind = run.plan.upstream_closure([name])
    for step in run.plan.steps:
        if step.name in behind and step.starts_from_data:
            left = Left.of(run, step, tasks.get(step.name, {}))
            outcomes += _outcomes(run, step, left.rows, left.parts) if step.spec.observations else []
            taken += _taken(step, left)
    ledger = merged(outcomes)
    judged = _judge(run, ledger, [], taken)
    return {"observations": sum(row.state in USABLE for row in ledger), "verdict": judged.line}


def ended_folder(run: Run, tasks: Mapping[str, Mapping[str, Any]], report: str | None) -> RunFolder:
    """The version that holds the record of a run.

    Parameters
    ----------
    run : Run
    tasks : mapping
        As in `finish`; used where the record was not written.
    report : str, optional
        What `finish` returned; None where it failed, which makes the run red.
    """
    if report:
        return RunFolder.of(run.store, report)
    record, _ = _record(run, tasks, [NO_REPORT])
    folder = _place(run.folder, record)
    _write_record(folder, record)
    return folder


def _place(folder: RunFolder, record: Mapping[str, Any]) -> RunFolder:
    """The version that a record belongs into: this one; the next, where tasks were cleared after its end."""
    if not folder.ended:
        return folder
    same = {"run": "", "version": ""}
    if {**folder.read_json("run.json"), **same} == {**record, **same}:
        return folder
    return _place(folder.successor(), record)


def _write_record(folder: RunFolder, record: Mapping[str, Any]) -> None:
    """Write the record into the place that it has, once."""
    with suppress(FileExistsError):
        folder.create_json("run.json", {**record, "run": folder.relative, "version": folder.version})


def _record(
    run: Run, tasks: Mapping[str, Mapping[str, Any]], problems: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Product]]:
    """The record of a run, red for each of these problems, and its products by name."""
    outcomes: list[StepOutcome] = []
    products: dict[str, Product] = {}
    steps: list[dict[str, Any]] = []
    taken: list[Taken] = []
    states: dict[str, str] = {}
    unlisted: dict[str, str] = {}
    for step in run.plan.steps:
        left = Left.of(run, step, tasks.get(step.name, {}))
        found = _outcomes(run, step, left.rows, left.parts) if step.spec.observations else []
        outcomes += found
        taken += _taken(step, left)
        states[step.name], reason = step_state(run, step, left, states)
        if step.spec.observations and states[step.name] == "no_work" and not left.listed:
            unlisted[step.name] = reason
        products.update(left.products)
        entry = _step_record(run, step, states[step.name], reason, left)
        steps.append({**entry, "cut_flow": cut_flow(found, _cuts(run, step))} if found else entry)
    ledger = merged(outcomes)
    lost = [f"{entry['name']}: {entry['reason']}" for entry in steps if entry["status"] == "failed"]
    lost += [f"{name} listed no observation: {reason}" for name, reason in unlisted.items() if ledger] + [*problems]
    judged = _named(run, _judge(run, ledger, lost, taken), _idle(steps))
    record = {
        "analysis": run.config.name,
        "run": run.folder.relative,
        "version": run.folder.version,
        "name": run.request["name"],
        "scope": run.request["scope"],
        "nights": sorted({row.night for row in ledger if row.night} | set(run.scope.nights)),
        "verdict": asdict(judged),
        "alerts": [alert.as_dict() for alert in raised_alerts(run, judged, ledger, products)],
        "ledger": [row.as_dict() for row in ledger],
        "steps": steps,
        "config_digest": run.config.digest,
        "provenance": {key: run.request[key] for key in ("who", "code", "params", "reuse")},
    }
    return record, products


def _taken(step: PlannedStep, left: Left) -> list[Taken]:
    """What a step took that starts from data which are no observations; none of any other step."""
    fan = step.spec.fan_out
    if fan is None or step.spec.observations or not step.starts_from_data:
        return []
    return [Taken(step.name, fan.over, len(left.rows), left.left_out)]


def _idle(steps: Sequence[Mapping[str, Any]]) -> str:
    """Which steps had nothing to make although others had; what was noted of the data if none had."""
    idle = [step["name"] for step in steps if step["status"] == "no_work"]
    if len(idle) == len(steps):
        return "".join(f"; {note}" for note in dict.fromkeys(note for step in steps for note in step["notes"]))
    return f"; nothing made by {', '.join(idle)}" if idle else ""


def _judge(run: Run, ledger: Sequence[LedgerRow], lost: Sequence[str], taken: Sequence[Taken]) -> Verdict:
    dag = run.config.dag or {}
    percent = float(str(dag.get("max_quarantined") or DEFAULT_MAX_QUARANTINED).rstrip(" %"))
    return judge(
        ledger,
        lost,
        taken,
        max_quarantined_percent=percent,
        quarantine_fails=dag.get("on_bad_observation") == "fail",
    )


def _named(run: Run, judged: Verdict, idle: str) -> Verdict:
    """The verdict with the analysis and what the run takes before it, and why steps were idle after it."""
    return Verdict(f"{run.config.name}, {scope_in_words(run.scope)}: {judged.line}{idle}", judged.ok)


def _outcomes(
    run: Run, step: PlannedStep, rows: Sequence[Mapping[str, Any]], parts: Mapping[str, Product]
) -> list[StepOutcome]:
    made = {row["label"]: _outcome(run, parts[row["label"]]) for row in rows if row["label"] in parts}
    return step_outcomes(step.name, archive_names(run)[step.name], rows, made, last_words(run, step.name))


def _cuts(run: Run, step: PlannedStep) -> list[str]:
    """Names of the quality cuts, in the order in which they are applied."""
    return list(run.blocks(step).get("observations", {}).get("quality", {}))


def _outcome(run: Run, part: Product) -> dict[str, str]:
    """A part as a row of the ledger; `done` if this run made it, `reused` if it was there."""
    path = run.store.relative(part.uri)
    if part.status != "ok":
        return {
            # Only an interval of an observation can be without work: none of the good time lies in it.
            "state": "rejected" if part.status == "no_work" else part.status,
            "reason_class": part.sidecar["reason_class"],
            "reason": part.sidecar["reason"],
            "path": path,
        }
    ours = part.sidecar["run"] == run.folder.relative or run.request["reuse"] == "rebuild"
    return {"state": "done" if ours else "reused", "path": path}


def _step_record(run: Run, step: PlannedStep, status: str, reason: str, left: Left) -> dict[str, Any]:
    ours = [
        product.sidecar
        for product in (*left.products.values(), *left.parts.values())
        if product.sidecar["run"] == run.folder.relative
    ]
    return {
        "name": step.name,
        "tag": step.spec.tag,
        "doc": step.spec.doc,
        "status": status,
        "reason": reason,
        "notes": list(left.notes),
        "products": [
            {
                "name": name,
                "kind": product.kind,
                "path": run.store.relative(product.uri),
                "digest": product.digest,
                "metrics": dict(product.metrics),
                "made_by": product.sidecar["run"],
            }
            for name, product in left.products.items()
        ],
        "cpu_seconds": round(sum(sidecar["cpu_seconds"] for sidecar in ours), 3),
        "peak_memory_mb": max((sidecar["peak_memory_mb"] for sidecar in ours), default=0.0),
    }
