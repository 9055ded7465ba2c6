"""Joint fit of models to datasets."""
