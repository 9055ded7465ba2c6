"""A simulated observatory: DL3 archives in GADF with known sources, made to be processed, damaged and delivered late.

Every file follows from the plan and its seed to the byte. The truth stands beside the archive in ``truth.yaml``.
"""

from __future__ import annotations

from .archive import Archive, deliver, simulate_archive
from .plan import BYTE_DAMAGE, DAMAGE, HESS, ArchivePlan, Site, parse_bad
from .schedule import Visit, plan_visits
from .sources import CRAB, LIGHT_CURVE, VARIABLE, flux_factor, truth_models

__all__ = [
    "BYTE_DAMAGE",
    "CRAB",
    "DAMAGE",
    "HESS",
    "LIGHT_CURVE",
    "VARIABLE",
    "Archive",
    "ArchivePlan",
    "Site",
    "Visit",
    "deliver",
    "flux_factor",
    "parse_bad",
    "plan_visits",
    "simulate_archive",
    "truth_models",
]
