"""Excess and significance maps."""
