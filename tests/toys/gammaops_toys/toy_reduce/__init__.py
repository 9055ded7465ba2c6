"""Toy step types, installed as another package would install its own."""
