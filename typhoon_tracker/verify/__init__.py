"""Verification: track errors, baselines and their statistics."""
