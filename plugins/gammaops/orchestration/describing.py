"""What the UI says of an analysis: its docs in words and as YAML, its tags, its owner."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gammaops.nights import noon_cron
from gammaops.schema.schedules import NIGHTLY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gammaops.config import AnalysisConfig
    from gammaops.plan import Plan, PlannedStep

__all__ = ["documentation", "fence", "owner_links", "tags_of", "tombstone_documentation"]

LONGEST_TAG = 100
TAKES = {
    "night": "It takes the observations of its night.",
    "cumulative": "It takes all observations up to the end of its night.",
    "all": "It takes all observations.",
}
BY_HAND = (
    "Started by hand: choose nights or observations with the parameters `night`, `obs_ids`, or `start` and `stop`"
    " (it cannot be backfilled)."
)


def documentation(config: AnalysisConfig, plan: Plan) -> str:
    """The analysis in words, and its config: an edit makes a new version of the DAG, and the UI shows it."""
    words = [str(config.document["description"] or ""), _when(config), "\n".join(_steps(plan)), " ".join(_told(config))]
    bars = fence(config.text)
    words += [f"Config `{config.digest}`:", f"{bars}yaml\n{config.text.rstrip()}\n{bars}"]
    return "\n\n".join(part for part in words if part) + "\n"


def tombstone_documentation(problems: str) -> str:
    """What is wrong with a config."""
    bars = fence(problems)
    told = "Nothing runs until it is mended. A run that was under way ends red: clear it then, and it finishes."
    return f"# The config of this analysis is broken\n\n{told}\n\n{bars}text\n{problems}\n{bars}\n"


def tags_of(config: AnalysisConfig, plan: Plan) -> list[str]:
    """Tags to filter DAGs by: those of the config, the site, the type of data and the sources that it names."""
    site = (config.site or {}).get("name")
    found = {"gammaops", *((config.dag or {}).get("tags") or ()), *(f"kind:{step.dataset_type}" for step in plan.steps)}
    found |= {f"target:{source}" for step in plan.steps for source in _sources(config, step)}
    found |= {f"site:{site}"} if site else set()
    return sorted(tag[:LONGEST_TAG] for tag in found - {"kind:"})


def owner_links(config: AnalysisConfig) -> dict[str, str]:
    """Where the owner is found."""
    dag = config.dag or {}
    return {dag["owner"]: dag["owner_link"]} if dag.get("owner_link") else {}


def fence(text: str) -> str:
    """A Markdown fence that `text` cannot end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(3, longest + 1)


def _when(config: AnalysisConfig) -> str:
    """When it runs, and what it takes then."""
    dag = config.dag or {}
    schedule = dag.get("schedule")
    if not schedule:
        return BY_HAND
    if not isinstance(schedule, str):
        when = f"Runs when {_code(schedule['product'])} updates, for its nights (it cannot be backfilled)."
        return f"{when} {TAKES[dag['observations']]}" if dag["observations"] != "night" else when
    span = f"from {dag['start']} {'to ' + dag['end'] if dag['end'] else 'on'}"
    late = "" if dag["delay"].startswith("0 ") else f", {dag['delay']} after its end"
    if schedule == NIGHTLY:
        minute, hour = noon_cron(float(config.site["lon_deg"])).split()[:2]  # type: ignore[index]
        place = _code(config.site["name"]) if config.site["name"] else "the site"  # type: ignore[index]
        when = f"Runs for every night at {place} (from {int(hour):02}:{int(minute):02} UTC to the same time next day)"
    else:
        when = f"Runs on schedule ({_code(schedule)}, UTC)"
    return f"{when}, {span}{late}. {TAKES[dag['observations']]} It can be backfilled, one backfill at a time."


def _steps(plan: Plan) -> Iterator[str]:
    """One line a step: what it reads and makes."""
    for number, step in enumerate(plan.steps, start=1):
        read = dict.fromkeys(
            plan[source.step].products[source.output] for sources in step.inputs.values() for source in sources
        )
        origin = ", ".join(map(_code, read)) or "data"
        made = ", ".join(map(_code, step.products.values())) or "nothing"
        yield f"{number}. {_code(step.name)} (`{step.spec.tag}`): {origin} → {made}. {step.spec.doc}"


def _told(config: AnalysisConfig) -> Iterator[str]:
    """What people are told, and over which connections."""
    words = {
        "flux_above": "a flux above {}",
        "quarantined_above": "more than {} quarantined or missing",
        "failed": "a red run",
        "deadline": "no report {} after a run is due",
    }
    for name, rule in config.alerts.items():
        (what,) = [text.format(rule[key]) for key, text in words.items() if rule[key] not in (None, False)]
        yield f"Alert {_code(name)}: {what} is told to {', '.join(map(_code, rule['tell']))}."


def _sources(config: AnalysisConfig, step: PlannedStep) -> list[str]:
    """Sources that a step's blocks name."""
    blocks: Mapping[str, Mapping[str, Any]] = config.blocks(config.step(step.name))
    return [str(block["source"]) for block in blocks.values() if block.get("source")]


def _code(text: str) -> str:
    """A user's word as Markdown code, which it cannot end."""
    bars = "`" * (fence(text).count("`") - 2)
    pad = " " if "`" in text else ""
    return f"{bars}{pad}{text}{pad}{bars}"
