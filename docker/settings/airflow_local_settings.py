"""Loads gammapy and the science of every step in the process from which task processes are forked.

Airflow imports this file in each of its processes, so that it must cost nothing in all others. A reduction of one
observation would otherwise pay the import of gammapy, several times what it takes itself.
"""

import os
import sys

__all__: list[str] = []
WORKER_PARENTS = {"scheduler", "celery"}

if os.environ.get("GAMMAOPS_PRELOAD") == "1" and WORKER_PARENTS.intersection(sys.argv[1:3]):
    from gammaops.orchestration.preload import preload

    preload()
