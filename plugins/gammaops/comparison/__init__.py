"""Two releases, or two runs, compared product by product in physical terms."""
