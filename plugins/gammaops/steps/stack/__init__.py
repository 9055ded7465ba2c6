"""Stacking of datasets."""
