"""How long a run looks at the runs before it: the search for late nights, and the fit of the run before.

The demo's analysis of one simulated night is run; that run is then copied to as many nights before it as are asked
for, ten at first. A run of the night after looks for late nights within 30 nights, and for the fit before its own.
Needs no data. Exits 1 if ten times as many runs take more than twenty times as long: both list all of them, and read
those of the last nights only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import gammaops
from gammaops.config import AnalysisConfig, load_config
from gammaops.nights import night_interval
from gammaops.products import ProductStore, RunFolder
from gammaops.products.runs import BEGUN, moment_of, run_label
from gammaops.runner import Provenance, Run, begin, late_nights, scheduled_scope
from gammaops.runner.previous import with_previous
from gammaops.simulation import ArchivePlan, simulate_archive

EARLIER = (10, 300, 3000)
MOST = 20
FIRST = date(2025, 12, 20)
CONFIG = Path(__file__).resolve().parents[1] / "include" / "configs" / "demo.yaml"


def first_run(folder: Path, config: AnalysisConfig) -> RunFolder:
    """The run that the others are copies of."""
    simulate_archive(folder / "archive", ArchivePlan(nights=1, observations=2, first_night=FIRST, size="small"))
    result = gammaops.run(config, folder / "store", nights=[FIRST.isoformat()])
    if not result.verdict.ok:
        raise RuntimeError(result.verdict.line)
    return RunFolder.of(ProductStore(folder / "store"), result.report)


def copy_to_nights(original: RunFolder, nights: range) -> None:
    """The same run of so many nights before its own, each begun after the end of its night."""
    request, record = original.read_json("request.json"), original.read_json("run.json")
    config = original.read("config.yaml")
    for back in nights:
        night = (FIRST - timedelta(days=back)).isoformat()
        name, begun = f"scheduled {night}", night_interval(night, 16.5)[1].isoformat()
        relative = f"runs/{record['analysis']}/{run_label(name)}/v001"
        folder = original.store.root / relative
        folder.mkdir(parents=True)
        scope = {**request["scope"], "nights": [night]}
        asked = {**request, "name": name, "scope": scope, "begun": begun}
        ledger = [{**row, "night": night} for row in record["ledger"]]
        made = {**record, "name": name, "run": relative, "scope": scope, "nights": [night], "ledger": ledger}
        (folder / "config.yaml").write_bytes(config)
        (folder / "request.json").write_text(json.dumps(asked))
        (folder / f"{BEGUN}{moment_of(asked)}").touch()
        (folder / "run.json").write_text(json.dumps(made))


def seconds(work: Callable[[], object]) -> float:
    """The shortest of three times."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def looked_at(run: Run, record: Mapping[str, Any]) -> dict[str, float]:
    """What each look takes."""
    return {
        "search for late nights": seconds(lambda: late_nights(run, lambda _: False, 4, Provenance())),
        "fit of the run before": seconds(lambda: with_previous(run, record)),
    }


def main() -> int:
    """Look at ever more runs and compare."""
    folder = Path(tempfile.mkdtemp(prefix="gammaops-bench-"))
    os.environ["GAMMAOPS_DATA"] = str(folder)
    config = load_config(CONFIG)
    original = first_run(folder, config)
    tomorrow = (FIRST + timedelta(days=1)).isoformat()
    run = Run.open(begin(config, original.store, scheduled_scope(config, [tomorrow]), name="tomorrow"))
    record = {**original.read_json("run.json"), "run": run.folder.relative, "nights": [tomorrow]}
    taken, copied = [], 0
    for number in EARLIER:
        copy_to_nights(original, range(copied + 1, number))
        copied = number - 1
        taken.append(looked_at(run, record))
        print(f"{number} earlier runs: {', '.join(f'{what} {took:.3f} s' for what, took in taken[-1].items())}")
    shutil.rmtree(folder)
    ratios = {what: (taken[1][what] / taken[0][what], taken[2][what] / taken[1][what]) for what in taken[0]}
    for what, (first, second) in ratios.items():
        print(f"{what}: 300 runs take {first:.1f} times as long as 10, 3,000 runs {second:.1f} times as long as 300")
    return 0 if all(second <= MOST for _, second in ratios.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
