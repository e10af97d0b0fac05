"""Typhoon track forecasting: a learned forecaster, a cyclone tracker and an honest verification."""

__version__ = "0.1.0"
