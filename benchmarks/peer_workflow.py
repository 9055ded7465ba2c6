"""The reduction of ``msh-1d.yaml`` by gammapy's own workflow in a fresh process; prints the seconds of its parts."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

start = time.perf_counter()

import yaml  # noqa: E402
from gammapy.workflow import Workflow, WorkflowConfig  # noqa: E402


def main() -> None:
    """Time it."""
    imported = time.perf_counter() - start
    blocks = yaml.safe_load(Path(__file__).with_name("msh-1d.yaml").read_text(encoding="utf-8"))
    config = WorkflowConfig(observations=blocks["observations"], datasets=blocks["datasets"])
    config.general.steps = ["observations", "datasets"]
    config.general.n_jobs = 1
    workflow = Workflow(config)
    workflow.get_observations()
    begin = time.perf_counter()
    workflow.get_datasets()
    reduced = time.perf_counter() - begin
    json.dump({"import_s": imported, "datasets_s": reduced, "datasets": len(workflow.datasets)}, sys.stdout)


if __name__ == "__main__":
    main()
