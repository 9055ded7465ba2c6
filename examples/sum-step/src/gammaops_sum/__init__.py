"""A step type of a package of its own: it adds numbers up."""
