"""Toys: bias, coverage and goodness of fit by parametric bootstrap."""
