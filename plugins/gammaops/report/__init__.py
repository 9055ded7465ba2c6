"""What people look at: one self-contained HTML page per run or comparison, made from its record and its products."""

from __future__ import annotations

from gammaops.report.advice import meaning
from gammaops.report.comparison import render_comparison
from gammaops.report.page import Part, render_report
from gammaops.report.planned import render_plan

__all__ = ["Part", "meaning", "render_comparison", "render_plan", "render_report"]
