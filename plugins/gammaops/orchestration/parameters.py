"""Parameters of a run: the form in the UI, and the schema of what comes over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from gammaops.config.blocks import block_levels
from gammaops.errors import ConfigError, Problem
from gammaops.schema.relations import near
from gammaops.steps.base import OBS_ID_MAX, REUSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["KNOWN", "SOURCE", "refuse_unknown", "run_params"]

SOURCE = "params"
MANY = 10_000
TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
TIME_HELP = "UTC unless it says otherwise, e.g. 2004-12-04T18:00:00."
TARGET = r"^[^\x00-\x1f{}%]{1,80}$"
RELEASE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"
LABEL = "^[A-Za-z0-9._-]{1,60}$"
# No single type, so that the UI makes a field of lines, which gives texts; over the API they are numbers.
OBS_ID = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": OBS_ID_MAX},
        {"type": "string", "pattern": "^[0-9]{1,18}$"},
    ]
}
KNOWN = frozenset(
    {"obs_ids", "night", "start", "stop", "targets", "release", "steps", "reuse", "config", "label", "dry_run"}
)


def run_params(step_names: Sequence[str]) -> dict[str, Param]:
    """The parameters of every analysis; `step_names` are those that may be chosen."""
    return {**_which_observations(), **_what_to_do(step_names)}


def _which_observations() -> dict[str, Param]:
    time: dict[str, Any] = {"type": ["null", "string"], "pattern": TIME, "examples": ["2004-12-04T18:00:00"]}
    return {
        "obs_ids": Param(
            None,
            type=["null", "array"],
            items=OBS_ID,
            maxItems=MANY,
            uniqueItems=True,
            title="Observations",
            description="OBS_IDs to take, one a line; empty: those that the analysis selects.",
        ),
        "night": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Night",
            description="Date of the evening. Empty: a nightly analysis takes the last complete night.",
        ),
        "start": Param(None, **time, title="From", description=f"Earliest start of an observation. {TIME_HELP}"),
        "stop": Param(None, **time, title="Until", description=f"Observations start before this. {TIME_HELP}"),
        "targets": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "pattern": TARGET},
            maxItems=MANY,
            uniqueItems=True,
            title="Targets",
            description="Names of targets as the archive's index has them (OBJECT), one a line; empty: all.",
        ),
        "release": Param(
            None,
            type=["null", "string"],
            pattern=RELEASE,
            title="As in release",
            description="Take the observations that this release has used in the analysis, e.g. 2026-11-prod.",
        ),
    }


def _what_to_do(step_names: Sequence[str]) -> dict[str, Param]:
    return {
        "steps": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "enum": list(step_names)},
            examples=list(step_names),
            uniqueItems=True,
            title="Steps",
            description="Steps to run, with what they need; the others are skipped. Empty: all.",
        ),
        "reuse": Param(
            "use",
            type="string",
            enum=list(REUSE),
            title="Products that exist",
            description="use them; rebuild them; or use only them and refuse to compute.",
        ),
        "config": Param(
            {},
            type="object",
            propertyNames={"enum": sorted(block_levels())},
            title="Other settings",
            description="Deep override of the analysis, for this run: the same keys with units, as JSON.",
            examples=[{"datasets": {"on_region": {"radius": "0.2 deg"}}}],
        ),
        "label": Param(
            None,
            type=["null", "string"],
            pattern=LABEL,
            title="Label",
            description="Name of the run's folder in the store. Empty: the run's id.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Compute nothing: the report tells what would run, why, and what it would take.",
        ),
    }


def refuse_unknown(given: Iterable[str]) -> None:
    """Airflow lets any key pass.

    Raises
    ------
    ConfigError
        Naming every key that is no parameter.
    """
    unknown = sorted(set(given) - KNOWN)
    if unknown:
        expected = f"one of: {', '.join(sorted(KNOWN))}"
        problem = "is not a parameter of a run"
        raise ConfigError([Problem(SOURCE, 0, 0, name, problem, expected, near(name, KNOWN)) for name in unknown])
