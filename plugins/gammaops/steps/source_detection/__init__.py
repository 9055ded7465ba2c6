"""Detection of sources in maps."""
