"""Data reduction: DL3 observations to datasets."""
