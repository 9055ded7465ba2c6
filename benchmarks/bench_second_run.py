"""A second run of the night of 2006-07-29, light curve included, against the first one.

Both run in this process, which has imported everything before, so that imports do not count. Needs HESS DL3 DR1 below
GAMMAPY_DATA (or GAMMAOPS_TEST_DATA). Exits 1 if the second takes more than 1/20 of the CPU seconds that the first one's
sidecars sum up to, or writes a file below ``products/``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import gammaops
from gammaops.config import load_config
from gammaops.orchestration.preload import preload

CONFIG = Path(__file__).resolve().parents[1] / "include" / "configs" / "pks2155-flare-lc.yaml"
MOST = 1 / 20


def cpu_seconds(out: Path) -> float:
    """CPU seconds of one run."""
    begin = time.process_time()
    result = gammaops.run(load_config(CONFIG), out)
    if not result.verdict.ok:
        raise RuntimeError(result.verdict.line)
    return time.process_time() - begin


def products(out: Path) -> dict[Path, int]:
    """Files below ``products/`` and when they were written."""
    return {path: path.stat().st_mtime_ns for path in (out / "products").rglob("*") if path.is_file()}


def main() -> int:
    """Run twice and compare."""
    data = os.environ.get("GAMMAOPS_TEST_DATA") or os.environ.get("GAMMAPY_DATA", "")
    if not (Path(data) / "hess-dl3-dr1").is_dir():
        print("skipped: HESS DL3 DR1 is not below GAMMAPY_DATA or GAMMAOPS_TEST_DATA")
        return 0
    os.environ["GAMMAPY_DATA"] = data
    preload()
    out = Path(tempfile.mkdtemp(prefix="gammaops-bench-"))
    first, known = cpu_seconds(out), products(out)
    sidecars = [json.loads(path.read_bytes()) for path in known if path.name.count(".") == 1]
    computed = sum(sidecar["cpu_seconds"] for sidecar in sidecars)
    second, same = cpu_seconds(out), products(out) == known
    shutil.rmtree(out)
    print(f"first run {first:.2f} s of CPU, {computed:.2f} s of them in computations; second run {second:.2f} s")
    print(f"ratio to the computations {second / computed:.4f}, to the whole first run {second / first:.4f}")
    print("no file below products/ was written" if same else "files below products/ were written")
    return 0 if second <= MOST * computed and same else 1


if __name__ == "__main__":
    sys.exit(main())
