"""The field contract, derived fields and windows."""
