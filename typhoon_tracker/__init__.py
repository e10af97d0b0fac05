"""Typhoon track forecasting: a learned forecaster, a cyclone tracker and an honest verification."""

import os

__version__ = "0.1.0"

# Read when torch is loaded. Threads that spin while they wait for one another make a forecast ten times slower as soon
# as another program holds a core; asleep they cost nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
