"""Twenty mapped reductions in a live Airflow against gammapy's own workflow in one process.

Ours: from the first task queued to the last one finished, after a warm-up run, with ``reuse: rebuild``. Theirs: import
and reduction of the same twenty observations, one after the other. The two alternate three times; medians are compared.
Needs HESS DL3 DR1 below GAMMAPY_DATA (or GAMMAOPS_TEST_DATA). Exits 1 if ours takes longer.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from gammaops.orchestration.local import LocalAirflow

HERE = Path(__file__).resolve().parent
ANALYSIS = "msh-1d"
ROUNDS = 3


def ours(airflow: LocalAirflow) -> tuple[float, int]:
    """Seconds from the first task queued to the last one finished, and how many there were."""
    client = airflow.client
    run_id = client.trigger(ANALYSIS, {"reuse": "rebuild"})
    state = client.wait_run(ANALYSIS, run_id)
    if state != "success":
        raise RuntimeError(f"{run_id}: {state}: {client.tasks(ANALYSIS, run_id)}")
    ((first, last, count),) = client.query(
        "select min(queued_dttm), max(end_date), count(*) from task_instance"
        " where dag_id = ? and run_id = ? and task_id = 'reduce.reduce'",
        (ANALYSIS, run_id),
    )
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds(), count


def theirs(data: Path) -> dict[str, float]:
    """Seconds of import and of reduction."""
    environment = {**os.environ, "GAMMAPY_DATA": str(data), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "peer_workflow.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Alternate the two and compare."""
    data = Path(os.environ.get("GAMMAOPS_TEST_DATA") or os.environ.get("GAMMAPY_DATA", ""))
    if not (data / "hess-dl3-dr1").is_dir():
        print("skipped: HESS DL3 DR1 is not below GAMMAPY_DATA or GAMMAOPS_TEST_DATA")
        return 0
    root = Path(tempfile.mkdtemp(prefix="gammaops-bench-"))
    (root / "configs").mkdir()
    shutil.copy(HERE / "msh-1d.yaml", root / "configs")
    env = {"GAMMAPY_DATA": str(data), "GAMMAOPS_CONFIGS": str(root / "configs"), "GAMMAOPS_STORE": str(root / "store")}
    mine, peers, reductions = [], [], []
    with LocalAirflow(root / "airflow", env, port=0) as airflow:
        airflow.client.wait_dag(ANALYSIS)
        airflow.client.unpause(ANALYSIS)
        ours(airflow)
        for _ in range(ROUNDS):
            seconds, count = ours(airflow)
            peer = theirs(data)
            mine.append(seconds)
            peers.append(peer["import_s"] + peer["datasets_s"])
            reductions.append(peer["datasets_s"])
            parts = f"import {peer['import_s']:5.2f} s, datasets {peer['datasets_s']:5.2f} s"
            print(f"{count} tasks {seconds:6.2f} s; {parts}")
    shutil.rmtree(root)
    own, peer_total, peer_reduction = map(statistics.median, (mine, peers, reductions))
    print(f"medians: {own:.2f} s; import + datasets {peer_total:.2f} s (ratio {own / peer_total:.2f});"
          f" datasets alone {peer_reduction:.2f} s (ratio {own / peer_reduction:.2f})")  # fmt: skip
    return 0 if own < peer_total else 1


if __name__ == "__main__":
    sys.exit(main())
