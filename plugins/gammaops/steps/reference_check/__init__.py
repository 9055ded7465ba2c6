"""Whether a result agrees with published numbers."""
