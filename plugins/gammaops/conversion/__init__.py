"""Configs of gammapy's high-level interface made into ours."""

from __future__ import annotations

from gammaops.conversion.gammapy_config import Converted, convert

__all__ = ["Converted", "convert"]
