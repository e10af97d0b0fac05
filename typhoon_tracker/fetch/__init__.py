from __future__ import annotations

from enum import StrEnum


class Archive(StrEnum):
    """Where ERA5 comes from."""

    NCAR = "ncar"
    ARCO = "arco"
    CDS = "cds"
