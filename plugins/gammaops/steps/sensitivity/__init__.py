"""Differential sensitivity."""
