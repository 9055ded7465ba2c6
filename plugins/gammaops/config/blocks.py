"""The blocks of an analysis: those that every analysis has, and those of the step types."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from gammaops.schema import Finding, block, choice, date, flag, integer, named, path, quantity, text, texts, value_at
from gammaops.schema.levels import Level
from gammaops.schema.schedules import NIGHTLY
from gammaops.steps import step_specs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from gammaops.steps.base import StepSpec

__all__ = [
    "ALERTS",
    "ARCHIVE_NAME",
    "DATASTORES",
    "GAMMAPY_KEYS",
    "GENERAL",
    "PRODUCT_NAME",
    "TOP_LEVEL",
    "block_levels",
    "dag_level",
    "datastores_level",
    "home_of",
    "site_file_level",
    "step_level",
    "used_blocks",
]

GENERAL = "general"
DATASTORES = "datastores"
ALERTS = "alerts"
# `metadata` is what gammapy writes about a config; it means nothing here and is dropped.
TOP_LEVEL = ("description", "dag", GENERAL, DATASTORES, "steps", ALERTS, "metadata")
ARCHIVE_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}"
LOG_FILE = r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}"
POOL_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
PRODUCT_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"

_SITE = {
    "name": text("Name of the site", regex=r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,79}"),
    "lon": quantity("deg", "Longitude, east positive", low=-180, high=180) | {"required": True},
    "lat": quantity("deg", "Latitude", low=-90, high=90) | {"required": True},
    "height": quantity("m", "Height above sea level", low=-500, high=9000) | {"required": True},
}

_LEVELS = ("debug", "info", "warning", "error", "critical")
_LOG = {
    "level": choice(
        _LEVELS,
        "Least level that is logged; not given: Airflow's own, and warnings on the command line",
        aliases={level.upper(): level for level in _LEVELS},
    ),
    "filename": text(
        "Log file below `logs/` of the store (command line)",
        regex=LOG_FILE,
    ),
    "filemode": choice(("a", "w"), "Append to the log file, or replace it (command line)", "a"),
    "format": text("Format of log lines, as of Python's logging (command line)"),
    "datefmt": text("Format of times in log lines (command line)"),
}

_GENERAL = {
    "log": block("Logging", _LOG),
    "outdir": text("Where products go (command line)"),
    "n_jobs": integer("Processes that share a fan-out (command line; in a DAG its tasks do)", 1, low=1, high=1024),
    "parallel_backend": choice(
        ("multiprocessing", "ray"), "How these processes are started (command line)", "multiprocessing"
    ),
    "models_file": path("Models in gammapy's YAML; read, never written", home="models"),
}

# What gammapy's workflow has in its `general`, and what the chain is made from (see `chain`).
_GAMMAPY_GENERAL = {
    "steps": texts("gammapy's list of steps"),
    "datasets_file": path("gammapy's; without effect here: the step datasets-file takes datasets over"),
    "overwrite": {"type": ["boolean", "list"], "default": None, "meta": {"doc": "gammapy's; without effect here"}},
}
GAMMAPY_KEYS = frozenset(_GAMMAPY_GENERAL)


def _scheduled(dag: Mapping[str, Any]) -> Iterator[Finding]:
    """What a schedule needs."""
    schedule, takes = dag["schedule"], dag["observations"]
    if dag["end"] and dag["end"] < (dag["start"] or ""):
        yield Finding(("end",), f"{dag['end']} is before start {dag['start']}", "start or later")
    if dag["owner_link"] and not dag["owner"]:
        yield Finding(("owner",), "not given, but owner_link is", "the name that the link belongs to")
    if schedule is None:
        return
    shown = schedule if isinstance(schedule, str) else f"product {schedule.get('product')}"
    if dag["start"] is None and isinstance(schedule, str):
        yield Finding(("start",), f"not given: schedule is {shown}", "the date of the first night, such as 2026-11-01")
    if value_at(dag, "site.lon") is None and (schedule == NIGHTLY or takes != "all"):
        why = f"schedule is {shown} and observations is {takes}"
        yield Finding(("site",), f"not given: {why}", "a known site, or {lon, lat, height}")
    if takes != "all" and isinstance(schedule, str) and _several_a_day(schedule):
        why = f"{shown} is more often than once a day and observations is {takes}"
        yield Finding(("schedule",), why, "nightly, one minute and one hour such as '0 12 * * *', or observations: all")


def _several_a_day(schedule: str) -> bool:
    """Whether a schedule may fire again before there is another night: any but a single minute and hour."""
    if schedule == NIGHTLY or schedule.startswith("@"):
        return schedule == "@hourly"
    return not all(field.isdigit() for field in schedule.split()[:2])


_DAG = {
    "site": block("Where the observatory is", _SITE),
    "schedule": {"type": ["string", "dict"], "schedule": True, "default": None, "meta": {"doc": "When it runs"}},
    "start": date("First night"),
    "end": date("Last night that is scheduled"),
    "catchup": flag("Run the nights since `start` that were never run", default=False),
    "lookback": integer("Nights searched for observations that were never processed, or failed", 30, low=0, high=3650),
    "delay": quantity("h", "Wait after the end of the interval", "0 h", low=0, high=8760),
    "observations": choice(("night", "cumulative", "all"), "What a scheduled run takes", "night"),
    "observations_per_task": {
        "type": ["integer", "string"],
        "min": 1,
        "regex": "auto",
        "default": "auto",
        "meta": {"doc": "Observations that a mapped task reduces; what else is mapped over goes one by one"},
    },
    "max_active_tasks": integer("Tasks of one run at a time", 16, low=1, high=10_000),
    "on_bad_observation": choice(("quarantine", "fail"), "What a bad observation does", "quarantine"),
    "max_quarantined": quantity(
        "%", "Share of expected observations above which a run is red", "20 %", low=0, high=100
    ),
    "retries": integer("Retries after infrastructure errors", 2, low=0, high=100),
    "tags": texts("Tags in the UI, besides those of site, type of data and sources", regex=r"[^\x00-\x1f]{1,100}"),
    "owner": text("Who answers for it, as the UI shows", regex=r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,79}"),
    "owner_link": text("Where the owner is found", regex=r"(https?://[A-Za-z0-9]|mailto:[^@\s]+@)[^\s]{1,300}"),
}

_STEP = {
    "name": text("Name of the step", regex=r"[^\x00-\x1f]{1,80}"),
    "tag": text("Its type") | {"required": True},
    "products": texts("Names of its products", regex=PRODUCT_NAME),
    "required_products": {
        "type": ["string", "list", "dict"],
        "wanted": True,
        "default": None,
        "meta": {"doc": "Inputs"},
    },
    "inputs": texts("Paths of products that other runs have made, as their reports list them"),
    "extend": flag(
        "Whether `inputs` join the products of other steps; false: they replace those of the same role", default=True
    ),
    "rule": choice(
        ("strict", "lenient"),
        "strict: it needs every product that it is wired to; lenient: it takes what there is, whatever failed; "
        "not given: it does without products of steps that had no work, and not without those of steps that failed",
    ),
    "config": {"type": "dict", "meta": {"doc": "Overrides of the analysis' blocks"}},
    "parallel": flag("Whether it fans out to mapped tasks", default=True),
    "pool": text("Airflow pool whose slots its tasks take, one of include/pools.json", regex=POOL_NAME),
    "max_active_tasks": integer("Mapped tasks of this step at a time in one run", None, low=1, high=10_000),
    "queue": text("Queue of its tasks, for workers that listen to that one (CeleryExecutor)", regex=POOL_NAME),
}


@cache
def block_levels() -> Mapping[str, Level]:
    """Blocks that steps read, by name."""
    blocks: dict[str, Mapping[str, Any]] = {GENERAL: block("General settings", _GENERAL | _GAMMAPY_GENERAL)}
    for tag, spec in step_specs().items():
        for name, rules in spec.schema.items():
            if name in blocks or name in TOP_LEVEL:
                raise ValueError(f"the step type {tag!r} defines the block {name!r}, which exists already")
            blocks[name] = rules
    levels = {name: Level(rules["schema"], rules["meta"]["relations"]) for name, rules in blocks.items()}
    return MappingProxyType(levels)


def home_of(key: str) -> str:
    """The folder of ``include/`` where a relative path under this dotted key is looked for first; empty if none is."""
    first, *words = key.split(".")
    level: Level | None = block_levels().get(first)
    for word in words[:-1]:
        level = level.children.get(word) if level else None
    rules = level.keys.get(words[-1], {}) if level and words else {}
    return str(rules.get("meta", {}).get("home", ""))


@cache
def dag_level() -> Level:
    """The ``dag:`` block."""
    return Level(_DAG, (_scheduled,))


@cache
def datastores_level() -> Level:
    """The whole file, as far as ``datastores:`` goes."""
    archives = named("DL3 archives that `observations.datastore` may name", path("Its folder"), regex=ARCHIVE_NAME)
    return Level({DATASTORES: archives})


@cache
def step_level() -> Level:
    """One entry of ``steps:``."""
    return Level(_STEP)


@cache
def site_file_level() -> Level:
    """A file of ``include/sites/``."""
    more = {
        "description": text("The site, for people"),
        "defaults": {"type": "dict", "meta": {"doc": "Defaults of blocks"}},
    }
    return Level({**_SITE, **more})


def used_blocks(spec: StepSpec) -> tuple[str, ...]:
    """Names of the blocks that a step of this type reads."""
    dotted = (*spec.schema, *spec.reads, *spec.files, *spec.folders)
    return tuple(dict.fromkeys(key.partition(".")[0] for key in dotted))
