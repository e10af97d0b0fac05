"""An invented storm in the layouts NCEI publishes, and a cache that holds nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SID = "2031150N10140"
_LINES = (
    "SID,SEASON,NUMBER,BASIN,SUBBASIN,NAME,ISO_TIME,NATURE,LAT,LON,WMO_WIND,WMO_PRES,WMO_AGENCY,TRACK_TYPE,DIST2LAND",
    "LANDFALL,IFLAG,USA_AGENCY,USA_LAT,USA_LON,USA_STATUS,USA_WIND,USA_PRES,TOKYO_LAT,TOKYO_LON,TOKYO_GRADE,TOKYO_WIND",
    "TOKYO_PRES,CMA_LAT,CMA_LON,CMA_CAT,CMA_WIND,CMA_PRES,HKO_LAT,HKO_LON,HKO_CAT,HKO_WIND,HKO_PRES",
)
HEADER = [name for line in _LINES for name in line.split(",")]
UNITS = {"SEASON": "Year", "LAT": "degrees_north", "LON": "degrees_east", "TOKYO_WIND": "kts", "TOKYO_PRES": "mb"}


def row(time: str, flag: str, *, tokyo: bool = True, **changes: str) -> dict[str, str]:
    """One line of the invented storm: JMA at 10N 179E, JTWC a tenth of a degree away and stronger."""
    line = dict.fromkeys(HEADER, " ")
    line |= {"SID": SID, "SEASON": "2031", "BASIN": "WP", "NAME": "UNICORN", "ISO_TIME": time, "TRACK_TYPE": "main"}
    line |= {"LAT": "10.0", "LON": "179.0", "WMO_WIND": "60", "WMO_PRES": "980", "IFLAG": flag}
    line |= {"USA_LAT": "10.1", "USA_LON": "179.1", "USA_STATUS": "TY", "USA_WIND": "70", "USA_PRES": "975"}
    if tokyo:
        line |= {"TOKYO_LAT": "10.0", "TOKYO_LON": "179.0", "TOKYO_GRADE": "4", "TOKYO_WIND": "60", "TOKYO_PRES": "980"}
    return line | changes


ROWS = [
    row("2031-05-30 00:00:00", "O_____________", tokyo=False),
    row("2031-05-30 06:00:00", "OO____________", TOKYO_GRADE="2", TOKYO_WIND=" ", TOKYO_PRES="1004"),
    row("2031-05-30 09:00:00", "PP____________"),
    row("2031-05-30 12:00:00", "OO____________", TOKYO_LON="-179.5"),
    row("2031-05-30 15:00:00", "PO____________", TOKYO_LON="-179.0"),
    row("2031-05-30 18:00:00", "OP____________", TOKYO_LON="-178.5"),
    row("2031-05-31 00:00:00", "OV____________", TOKYO_LON="-178.0"),
    row("2031-05-31 06:00:00", "OI____________", TOKYO_LON="-177.5"),
    row("2031-06-30 00:00:00", "OO____________", SID="2031181N10140", NAME="UNNAMED", TRACK_TYPE="PROVISIONAL"),
    row("2031-06-30 00:00:00", "OO____________", SID="2031182N10140", TRACK_TYPE="spur-other"),
    row("2031-06-30 00:00:00", "OO____________", SID="2031183N10140", TRACK_TYPE="US-PROVISIONAL_spur"),
]


def write_csv(path: Path, rows: list[dict[str, str]] = ROWS, *, without: tuple[str, ...] = ()) -> Path:
    names = [name for name in HEADER if name not in without]
    lines = [",".join(names), ",".join(UNITS.get(name, " ") for name in names)]
    lines += [",".join(line[name] for name in names) for line in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def ncei_csv(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "ibtracs.WP.list.v04r01.csv")


@pytest.fixture
def ncei_netcdf(tmp_path: Path) -> Path:
    """The same rows as NCEI lays them out in netCDF: (storm, date_time) arrays, padded, text as characters."""
    import xarray as xr

    storms = [group for _, group in pd.DataFrame(ROWS).groupby("SID", sort=False)]
    longest = max(len(group) for group in storms) + 2
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in HEADER:
        cells = [[cell.strip() for cell in group[name]] for group in storms]
        if name in ("SID", "NAME", "TRACK_TYPE"):
            data[name.lower()] = (("storm",), np.array([row[0] for row in cells], "S"))
        elif name == "SEASON":
            data["season"] = (("storm",), np.array([float(row[0]) for row in cells]))
        elif name in ("ISO_TIME", "IFLAG", "USA_STATUS", "BASIN", "HKO_CAT"):
            padded = [row + [""] * (longest - len(row)) for row in cells]
            data[name.lower()] = (("storm", "date_time"), np.array(padded, "S19"))
        elif name.endswith(("LAT", "LON", "WIND", "PRES", "GRADE", "CMA_CAT")):
            numbers = np.full((len(storms), longest), np.nan)
            for i, row_ in enumerate(cells):
                numbers[i, : len(row_)] = [float(cell) if cell else np.nan for cell in row_]
            data[name.lower()] = (("storm", "date_time"), numbers)
    path = tmp_path / "IBTrACS.WP.v04r01.nc"
    packed = ("season", "tokyo_wind", "tokyo_pres", "usa_wind", "usa_pres", "tokyo_grade")
    encoding: dict[str, dict[str, object]] = {name: {"dtype": "int16", "_FillValue": -9999} for name in packed}
    encoding |= {name: {"dtype": "S1"} for name, (_, values) in data.items() if values.dtype.kind == "S"}
    xr.Dataset(data).to_netcdf(path, engine="h5netcdf", encoding=encoding)
    return path


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own cache out of the tests."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TYPHOON_TRACKER_CACHE", str(folder))
    return folder
