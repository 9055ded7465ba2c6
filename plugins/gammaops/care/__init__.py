"""Care of a store: products made again and compared, listed, verified, exported with their provenance, collected."""
