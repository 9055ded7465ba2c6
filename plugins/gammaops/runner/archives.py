"""Archives of a run, each by one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gammaops.config import resolve_data_path
from gammaops.errors import ConfigError

if TYPE_CHECKING:
    from gammaops.runner.run import Run

__all__ = ["archive_names"]

DATASTORE = "observations.datastore"


def archive_names(run: Run) -> dict[str, str]:
    """The archive of each step that reduces observations, as the first step that reads it spells it.

    Two spellings of one folder would make two observations of one.
    """
    spelled: dict[str, str] = {}
    names = {}
    for step in run.plan.steps:
        if step.spec.observations:
            given = str(run.blocks(step).get("observations", {}).get("datastore") or "")
            names[step.name] = spelled.setdefault(_folder(run, given), given)
    return names


def _folder(run: Run, given: str) -> str:
    try:
        return str(resolve_data_path(run.config.archive_path(given), DATASTORE))
    except (ConfigError, OSError):
        # The archive that is not there is the one that the step failed to find.
        return given
