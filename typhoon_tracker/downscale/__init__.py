"""Downscaling: finer fields from coarse ones, with the block means of the coarse ones kept by construction."""
