"""Grids: sequences with grids of their own are brought onto one, oriented alike."""
