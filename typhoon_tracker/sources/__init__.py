"""Where fields come from: one file a source."""

import pyproj  # noqa: F401 - xarray loads eccodes with its plugins; before pyproj, that crashes the interpreter at exit
