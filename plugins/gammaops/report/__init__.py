"""What people look at: one self-contained HTML page per run, made from its record and what its products show."""

from __future__ import annotations

from gammaops.report.advice import meaning
from gammaops.report.page import Part, render_report

__all__ = ["Part", "meaning", "render_report"]
