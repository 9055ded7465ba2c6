"""Releases: named, frozen sets of run versions, and what people have decided of them."""
