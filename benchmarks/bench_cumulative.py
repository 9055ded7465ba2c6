"""The last of 200 observations added to the stack of the 199 before it, against the stack of 200 from nothing.

Three runs of the command line, one process each: 199 observations into a store, 200 into the same one, 200 into an
empty one. The CPU seconds of the second are compared with those of the third, less what both take to import gammapy.
Needs HESS DL3 DR1 below GAMMAPY_DATA (or GAMMAOPS_TEST_DATA). Exits 1 if the addition costs more than 5 %, reduces more
than one observation, or gives another result than starting afresh.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from copies import CONFIG, FIRST, copies

OBSERVATIONS = 200
MOST = 0.05
TOLERANCE = 1e-12


def cpu_seconds(command: list[str], folder: Path) -> float:
    """What a command took, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "GAMMAOPS_DATA": str(folder), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, check=True, cwd=folder)  # noqa: S603 - our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(folder: Path, store: str, number: int) -> float:
    """Stack the first observations into a store."""
    last = [word for obs_id in range(FIRST, FIRST + number) for word in ("--obs-id", str(obs_id))]
    command = [sys.executable, "-m", "gammaops", "run", "--filename", "stack.yaml", "--out", store, *last]
    return cpu_seconds(command, folder)


def datasets(folder: Path, store: str) -> set[Path]:
    """Payloads of datasets in a store."""
    return {path.relative_to(folder / store) for path in (folder / store / "products" / "dataset").rglob("*.fits")}


def largest_difference(first: Path, second: Path) -> float:
    """Between the images of two files, relative to the largest value of each."""
    with fits.open(first) as ours, fits.open(second) as theirs:
        images = [(hdu.data, theirs[hdu.name].data) for hdu in ours if isinstance(hdu, fits.ImageHDU)]
    return max(float(np.abs(a - b).max() / (np.abs(b).max() or 1.0)) for a, b in images if a is not None)


def main() -> int:
    """Grow, start afresh, compare."""
    data = Path(os.environ.get("GAMMAOPS_TEST_DATA") or os.environ.get("GAMMAPY_DATA", ""))
    if not (data / "hess-dl3-dr1").is_dir():
        print("skipped: HESS DL3 DR1 is not below GAMMAPY_DATA or GAMMAOPS_TEST_DATA")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="gammaops-bench-"))
    copies(data / "hess-dl3-dr1", folder, OBSERVATIONS)
    (folder / "stack.yaml").write_text(CONFIG.replace("BINSIZE", "0.02 deg"))
    run(folder, "grown", OBSERVATIONS - 1)
    known = datasets(folder, "grown")
    added = run(folder, "grown", OBSERVATIONS)
    new = datasets(folder, "grown") - known
    whole = run(folder, "afresh", OBSERVATIONS)
    loading = cpu_seconds([sys.executable, "-c", "import gammaops.steps.data_reduction.science"], folder)
    (total,) = new & {path for path in datasets(folder, "afresh") if path in new and is_stack(folder / "afresh" / path)}
    difference = largest_difference(folder / "grown" / total, folder / "afresh" / total)
    same = (folder / "grown" / total).read_bytes() == (folder / "afresh" / total).read_bytes()
    shutil.rmtree(folder)
    ratio, without = added / whole, (added - loading) / (whole - loading)
    print(f"{OBSERVATIONS} observations at once {whole:.1f} s of CPU, the last one added {added:.1f} s,")
    print(f"importing {loading:.1f} s: ratio {ratio:.4f}, without importing {without:.4f}; {len(new) - 1} reduced")
    print(f"largest relative difference {difference:g}")
    print("the files are the same" if same else "the files differ")
    return 0 if without <= MOST and len(new) == 2 and difference <= TOLERANCE else 1


def is_stack(path: Path) -> bool:
    """Whether the dataset in a file is the sum."""
    return fits.getheader(path)["NAME"] == "stacked"


if __name__ == "__main__":
    sys.exit(main())
