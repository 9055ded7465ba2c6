"""Flux along a line or around a position."""
