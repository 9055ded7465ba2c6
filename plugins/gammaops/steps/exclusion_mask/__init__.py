"""Exclusion mask: where a map shows sources, so that no background is estimated from there."""
