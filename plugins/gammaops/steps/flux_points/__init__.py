"""Flux points of one source."""
