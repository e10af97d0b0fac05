"""Geometry of the sphere, the grid and the land."""
