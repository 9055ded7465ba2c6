"""Datasets file: datasets that gammapy has written, as products."""
