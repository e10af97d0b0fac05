"""Forecasters: from fields up to an init time to fields after it."""
