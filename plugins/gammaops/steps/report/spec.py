"""Report: what it is."""

from __future__ import annotations

from gammaops.steps.base import StepSpec

SPEC = StepSpec(tag="report", doc="One HTML page for people, added to every run by the plan.", version=1)
