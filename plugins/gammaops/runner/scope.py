"""Which observations a run takes, from its nights and parameters."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from gammaops.nights import night_interval
from gammaops.products.keys import content_key
from gammaops.steps.base import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gammaops.config import AnalysisConfig

__all__ = ["local_name", "manual_scope", "scheduled_scope", "scope_in_words"]


def longitude_of(config: AnalysisConfig) -> float | None:
    """Longitude of the site in degrees, east positive; None where the analysis names no site."""
    site = config.site
    return None if site is None else float(site["lon_deg"])


def scheduled_scope(config: AnalysisConfig, nights: Sequence[str]) -> Scope:
    """What a scheduled run of these nights takes, after ``dag.observations``."""
    longitude = longitude_of(config)
    mode = (config.dag or {}).get("observations", "night")
    if mode == "night" or longitude is None or not nights:
        return Scope(nights=tuple(nights), longitude_deg=longitude)
    if mode == "cumulative":
        stop = night_interval(max(nights), longitude)[1]
        return Scope(stop=stop.replace(tzinfo=None).isoformat(), longitude_deg=longitude)
    return Scope(longitude_deg=longitude)


def manual_scope(
    config: AnalysisConfig,
    *,
    nights: Sequence[str] = (),
    obs_ids: Sequence[int] = (),
    start: str = "",
    stop: str = "",
    targets: Sequence[str] = (),
) -> Scope:
    """What a run with these parameters takes; with none of them, all that the config selects."""
    return Scope(tuple(nights), tuple(obs_ids), start, stop, tuple(targets), longitude_of(config))


def scope_in_words(scope: Scope) -> str:
    """What a run takes, for its verdict line."""
    if scope.start and scope.start == scope.stop:
        return "no night, so no observation"
    words = []
    if scope.nights:
        shown = scope.nights[0] if len(scope.nights) == 1 else f"{scope.nights[0]} … {scope.nights[-1]}"
        words.append(f"night{'s' if len(scope.nights) > 1 else ''} {shown}")
    if scope.obs_ids:
        shown = ", ".join(map(str, scope.obs_ids[:5])) + (" …" if len(scope.obs_ids) > 5 else "")
        words.append(f"observations {shown}")
    if scope.targets:
        words.append(f"of {', '.join(scope.targets)}")
    if scope.start:
        words.append(f"from {scope.start}")
    if scope.stop:
        words.append(f"until {scope.stop}")
    return " ".join(words) or "all observations"


def local_name(scope: Scope) -> str:
    """Name of a run that somebody starts by hand and does not name: runs of other nights are no versions of it."""
    chosen = {name: value for name, value in asdict(scope).items() if name != "longitude_deg" and value}
    if not chosen:
        return "local"
    if list(chosen) == ["nights"] and len(scope.nights) == 1:
        return f"local-{scope.nights[0]}"
    return f"local-{content_key(chosen)[:8]}"
