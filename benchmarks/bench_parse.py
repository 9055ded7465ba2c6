"""CPU time of parsing 100 configs, as a share of importing ``airflow.sdk`` in the same process.

Prints the median of five fresh processes; exits 1 at 25 % or more, or if gammapy, scipy or matplotlib is imported.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COUNT = 100
ROUNDS = 5
LIMIT = 0.25
PROBE = """
import json, runpy, sys, time
import astropy.units
begin = time.process_time()
import airflow.sdk
sdk = time.process_time() - begin
begin = time.process_time()
loaded = runpy.run_path(sys.argv[1])
parse = time.process_time() - begin
heavy = sorted({name.partition(".")[0] for name in sys.modules} & {"gammapy", "scipy", "matplotlib"})
dags = sum(isinstance(value, airflow.sdk.DAG) and "config-error" not in value.tags for value in loaded.values())
print("\\n" + json.dumps({"sdk": sdk, "parse": parse, "heavy": heavy, "dags": dags}))
"""


def probe(root: Path) -> dict[str, float]:
    """What a fresh process takes."""
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(root / "airflow"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "GAMMAOPS_CONFIGS": str(root / "configs"),
    }
    command = [sys.executable, "-c", PROBE, str(ROOT / "dags" / "analyses.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Measure and compare."""
    root = Path(tempfile.mkdtemp(prefix="gammaops-bench-"))
    (root / "configs").mkdir()
    for number in range(COUNT):
        shutil.copy(ROOT / "tests" / "data" / "crab.yaml", root / "configs" / f"crab-{number:03d}.yaml")
    found = [probe(root) for _ in range(ROUNDS)]
    shutil.rmtree(root)
    share = statistics.median(one["parse"] / one["sdk"] for one in found)
    for one in found:
        print(f"{one['dags']} DAGs {one['parse']:.2f} s, airflow.sdk {one['sdk']:.2f} s, heavy imports {one['heavy']}")
    print(f"share of the import, median: {share:.0%}")
    return 0 if share < LIMIT and not any(one["heavy"] for one in found) and found[0]["dags"] == COUNT else 1


if __name__ == "__main__":
    sys.exit(main())
