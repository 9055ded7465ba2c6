"""The plan: an analysis as a graph of steps, wired by product name and kind.

Pure data, made from a config alone; whether any file exists is not asked here.
"""

from __future__ import annotations

from gammaops.plan.graph import Plan, PlannedStep, Source
from gammaops.plan.wiring import REPORT, make_plan

__all__ = ["REPORT", "Plan", "PlannedStep", "Source", "make_plan"]
