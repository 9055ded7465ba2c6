"""Peak memory of each task of a stack of 10 observations and of one of 1,000, every task in a process of its own.

Each task is forked from a process that has imported what tasks need and holds nothing else, as in Airflow.
Needs HESS DL3 DR1 below GAMMAPY_DATA (or GAMMAOPS_TEST_DATA). Exits 1 if any task's peak differs by 10 % or more.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from copies import CONFIG, FIRST, copies

from gammaops.config import parse_config
from gammaops.orchestration.preload import preload
from gammaops.products import ProductStore
from gammaops.runner import Provenance, Run, begin, collect, finish, manual_scope, run_part, split

NUMBERS = (10, 1000)
MOST = 0.1
STEP = "reduce"
FORK = get_context("fork")


def apart(task: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What a task returns, and the peak memory of its process in megabytes."""
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_tell, args=(theirs, task, arguments))
    process.start()
    theirs.close()
    found: tuple[Any, float] = ours.recv()
    process.join()
    return found


def _tell(pipe: Any, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    result = task(*arguments)
    pipe.send((result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))


def part(uri: str, fragment: str) -> str:
    """One mapped task."""
    return run_part(Run.open(uri), STEP, {}, fragment, Provenance()).path


def peaks(folder: Path, number: int) -> dict[str, float]:
    """Peak memory by task, in megabytes, of a stack of this many observations."""
    text = CONFIG.replace("BINSIZE", "0.05 deg").replace("archive", str(folder / "archive"))
    config = parse_config(text, name="stack", source="stack.yaml")
    store = ProductStore(folder / f"store-{number}")
    scope = manual_scope(config, obs_ids=tuple(range(FIRST, FIRST + number)))
    uri = begin(config, store, scope, name="memory")
    run = Run.open(uri)
    found: dict[str, float] = {}
    fragments, found["split"] = apart(split, run, STEP, {}, Provenance())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(lambda fragment: apart(part, uri, fragment), fragments))
    found["one observation"] = max(memory for _, memory in parts)
    paths = [path for path, _ in parts]
    product, found["collect"] = apart(collect, run, STEP, {}, fragments, paths, Provenance())
    tasks = {STEP: {"fragments": fragments, "parts": paths, "product": product}}
    _, found["end of the run"] = apart(finish, run, tasks, Provenance())
    return found


def main() -> int:
    """Measure both and compare."""
    data = Path(os.environ.get("GAMMAOPS_TEST_DATA") or os.environ.get("GAMMAPY_DATA", ""))
    if not (data / "hess-dl3-dr1").is_dir():
        print("skipped: HESS DL3 DR1 is not below GAMMAPY_DATA or GAMMAOPS_TEST_DATA")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="gammaops-bench-"))
    os.environ["GAMMAOPS_DATA"] = str(folder)
    preload()
    copies(data / "hess-dl3-dr1", folder, NUMBERS[-1])
    few, many = (peaks(folder, number) for number in NUMBERS)
    shutil.rmtree(folder)
    for name in few:
        print(f"{name:18} {few[name]:7.1f} MB {many[name]:7.1f} MB {many[name] / few[name] - 1:+.1%}")
    return 0 if all(many[name] / few[name] - 1 < MOST for name in few) else 1


if __name__ == "__main__":
    sys.exit(main())
