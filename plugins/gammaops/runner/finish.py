"""The end of a run: its record, report and verdict."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gammaops.ledger import LedgerRow, StepOutcome, Verdict, judge, merged, step_outcomes
from gammaops.products import RunFolder, rows_of
from gammaops.runner.failures import NO_WORK, failure_notes
from gammaops.runner.science import render_report
from gammaops.runner.scope import scope_in_words
from gammaops.runner.tasks import parts_by_label, rows_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gammaops.plan import PlannedStep
    from gammaops.products import Product
    from gammaops.runner.run import Provenance, Run

__all__ = ["TaskResults", "finish", "verdict"]

TaskResults = "Mapping[str, Mapping[str, Any]]"
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
    folder = _write_record(run.folder, record)
    page = render_report({**record, "provenance": {**record["provenance"], "reported_by": asdict(who)}}, products)
    if not (folder.path / "report.html").exists():
        folder.create("report.html", page.encode())
    return folder.uri_of("report.html")


def verdict(run: Run, tasks: Mapping[str, Mapping[str, Any]], report: str | None) -> Verdict:
    """The verdict of a run, from its record; ``latest`` then names this version.

    Parameters
    ----------
    run : Run
    tasks : mapping
        As in `finish`; used where the record was not written.
    report : str, optional
        What `finish` returned; None where it failed, which makes the run red.
    """
    if report:
        folder = RunFolder.of(run.store, report)
        judged = Verdict(**folder.read_json("run.json")["verdict"])
    else:
        record, _ = _record(run, tasks)
        folder = _write_record(run.folder, record)
        line = f"{record['verdict']['line']} RED: the report could not be written; see the log of the task report"
        judged = Verdict(line, ok=False)
    folder.point_latest()
    return judged


def _write_record(folder: RunFolder, record: Mapping[str, Any]) -> RunFolder:
    """Write the record; where this version has another one already (tasks were cleared), into the next version."""
    try:
        folder.create_json("run.json", {**record, "run": folder.relative, "version": folder.path.name})
    except FileExistsError:
        written = folder.read_json("run.json")
        if {**written, "run": "", "version": ""} == {**record, "run": "", "version": ""}:
            return folder
        return _write_record(folder.successor(), record)
    return folder


def _record(run: Run, tasks: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Product]]:
    """The record of a run, and its products by name."""
    outcomes: list[StepOutcome] = []
    products: dict[str, Product] = {}
    steps: list[dict[str, Any]] = []
    states: dict[str, str] = {}
    for step in run.plan.steps:
        results = tasks.get(step.name, {})
        parts = parts_by_label(run, results.get("parts") or ())
        rows = rows_at(run, rows_of(results["fragments"][0])[0]) if results.get("fragments") else ()
        if step.spec.observations:
            outcomes += _outcomes(run, step, rows, parts)
        made = _products(run, step, results.get("product"))
        states[step.name], reason = _step_state(run, step, made, rows, parts, states)
        products.update(made)
        steps.append(_step_record(run, step, states[step.name], reason, made, parts))
    ledger = merged(outcomes)
    lost = [f"{entry['name']}: {entry['reason']}" for entry in steps if entry["status"] == "failed"]
    judged = _judge(run, ledger, lost)
    record = {
        "analysis": run.config.name,
        "run": run.folder.relative,
        "version": run.folder.path.name,
        "name": run.request["name"],
        "scope": run.request["scope"],
        "nights": sorted({row.night for row in ledger if row.night} | set(run.scope.nights)),
        "verdict": asdict(judged),
        "ledger": [row.as_dict() for row in ledger],
        "steps": steps,
        "config_digest": run.config.digest,
        "provenance": {key: run.request[key] for key in ("who", "code", "params", "reuse")},
    }
    return record, products


def _judge(run: Run, ledger: Sequence[LedgerRow], lost: Sequence[str]) -> Verdict:
    dag = run.config.dag or {}
    percent = float(str(dag.get("max_quarantined") or DEFAULT_MAX_QUARANTINED).rstrip(" %"))
    judged = judge(
        ledger,
        lost,
        max_quarantined_percent=percent,
        quarantine_fails=dag.get("on_bad_observation") == "fail",
    )
    return Verdict(f"{run.config.name}, {scope_in_words(run.scope)}: {judged.line}", judged.ok)


def _outcomes(
    run: Run, step: PlannedStep, rows: Sequence[Mapping[str, Any]], parts: Mapping[str, Product]
) -> list[StepOutcome]:
    made = {int(row["obs_id"]): _outcome(run, parts[row["label"]]) for row in rows if row["label"] in parts}
    notes = [(label, note) for note in failure_notes(run, step.name) for label in note["labels"]]
    reasons = {label: f"{note['class']}: {note['reason']}" for label, note in notes}
    failures = {int(row["obs_id"]): reasons[row["label"]] for row in rows if row["label"] in reasons}
    archive = str(run.blocks(step).get("observations", {}).get("datastore") or "")
    return step_outcomes(step.name, archive, rows, made, failures)


def _outcome(run: Run, part: Product) -> dict[str, str]:
    """A part as a row of the ledger; `done` if this run made it, `reused` if it was there."""
    path = run.store.local(part.uri).relative_to(run.store.root).as_posix()
    if part.status != "ok":
        return {
            "state": part.status,
            "reason_class": part.sidecar["reason_class"],
            "reason": part.sidecar["reason"],
            "path": path,
        }
    ours = part.sidecar["run"] == run.folder.relative or run.request["reuse"] == "rebuild"
    return {"state": "done" if ours else "reused", "path": path}


def _products(run: Run, step: PlannedStep, path: str | None) -> dict[str, Product]:
    """A step's products by their names in the config."""
    if not path:
        return {}
    product = run.store.open(path)
    if product.kind != "outputs":
        return {step.products[output]: product for output in step.spec.produces}
    return {step.products[member.row["name"]]: member for member in product.members}


def _step_state(
    run: Run,
    step: PlannedStep,
    made: Mapping[str, Product],
    rows: Sequence[Mapping[str, Any]],
    parts: Mapping[str, Product],
    states: Mapping[str, str],
) -> tuple[str, str]:
    """``ok``, ``no_work`` (a good reason not to have a product) or ``failed``, and why."""
    if made:
        lost = [row["label"] for row in rows if row["status"] == "selected" and row["label"] not in parts]
        if lost and not step.spec.observations:
            return "failed", f"no outcome for {', '.join(lost)}; clear these tasks"
        bad = [
            f"{part.sidecar['item']['label']}: {part.sidecar['reason']}"
            for part in parts.values()
            if part.status != "ok"
        ]
        return "ok", "" if step.spec.observations else "; ".join(bad)
    notes = failure_notes(run, step.name)
    for upstream in step.upstream:
        if states[upstream] != "ok" and not notes:
            return states[upstream], f"the step {upstream!r} made no product"
    if not notes:
        return "failed", "its task ended without a product and without a word; see the task's log"
    last = notes[-1]
    if last["class"] == NO_WORK:
        return "no_work", last["reason"]
    return "failed", f"{last['class']}: {last['reason']}"


def _step_record(
    run: Run, step: PlannedStep, status: str, reason: str, made: Mapping[str, Product], parts: Mapping[str, Product]
) -> dict[str, Any]:
    ours = [
        product.sidecar
        for product in (*made.values(), *parts.values())
        if product.sidecar["run"] == run.folder.relative
    ]
    return {
        "name": step.name,
        "tag": step.spec.tag,
        "doc": step.spec.doc,
        "status": status,
        "reason": reason,
        "products": [
            {
                "name": name,
                "kind": product.kind,
                "path": run.store.local(product.uri).relative_to(run.store.root).as_posix(),
                "digest": product.digest,
                "metrics": dict(product.metrics),
                "made_by": product.sidecar["run"],
            }
            for name, product in made.items()
        ],
        "cpu_seconds": round(sum(sidecar["cpu_seconds"] for sidecar in ours), 3),
        "peak_memory_mb": max((sidecar["peak_memory_mb"] for sidecar in ours), default=0.0),
    }
