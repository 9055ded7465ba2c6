"""Releases: sets of finished runs, frozen under a name, compared in physical terms, and promoted by people."""

from __future__ import annotations

from gammaops.releases.comparison import Comparison, Tolerances, compared
from gammaops.releases.frozen import Release, all_releases, freeze, release_called
from gammaops.releases.promotions import Decision, current_release, decide, decisions
from gammaops.releases.selection import Side, finished_runs, side_called

__all__ = [
    "Comparison",
    "Decision",
    "Release",
    "Side",
    "Tolerances",
    "all_releases",
    "compared",
    "current_release",
    "decide",
    "decisions",
    "finished_runs",
    "freeze",
    "release_called",
    "side_called",
]
