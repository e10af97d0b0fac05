"""A request to the Climate Data Store as it stands on disk, so that another process can go on with it."""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
import json
import os
import shutil
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.cds_store import DATASET
from typhoon_tracker.sources.whole import write_whole

VARIABLES = ("mean_sea_level_pressure", "10m_u_component_of_wind", "10m_v_component_of_wind", "2m_temperature")


@dataclass(frozen=True)
class Job:
    """The days of one month asked for in one request, those of them still wanted, and where its progress is kept."""

    days: tuple[dt.date, ...]
    wanted: tuple[dt.date, ...]
    region: Region
    folder: Path
    url: str

    @property
    def request(self) -> dict[str, Any]:
        r = self.region
        return {
            "product_type": ["reanalysis"],
            "variable": list(VARIABLES),
            "year": [f"{self.days[0]:%Y}"],
            "month": [f"{self.days[0]:%m}"],
            "day": sorted({f"{day:%d}" for day in self.days}),
            "time": [f"{hour:02d}:00" for hour in range(24)],
            "area": [float(r.north), float(r.west), float(r.south), float(r.east)],
            "data_format": "netcdf",
            "download_format": "unarchived",
        }

    @cached_property
    def path(self) -> Path:
        asked = json.dumps([self.url, DATASET, self.request], sort_keys=True)
        return self.folder / f"era5_cds_{self.days[0]:%Y%m}_{hashlib.sha256(asked.encode()).hexdigest()[:12]}.nc"

    @property
    def part(self) -> Path:
        return self.path.with_suffix(".part")

    @property
    def state(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def known(self) -> dict[str, Any]:
        """What is remembered of the request: its id and days, when it was submitted, where its file lies."""
        return read_json(self.state)

    def remember(self, **more: Any) -> None:
        content = json.dumps(self.known | more, indent=1) + "\n"
        write_whole(self.state, content.encode(), way_out="make room, or set TYPHOON_TRACKER_CACHE to another folder.")

    def forget(self) -> None:
        for file in (self.state, self.part, self.path):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.path.with_suffix(""), ignore_errors=True)

    def halves(self) -> list[Job]:
        middle = len(self.days) // 2
        return [replace(self, days=days, wanted=days) for days in (self.days[:middle], self.days[middle:])]

    def readable(self) -> str:
        """Return what `open_files` is to open: the fetched file or, where it is an archive, the parts in it."""
        if not zipfile.is_zipfile(self.path):
            return str(self.path)
        folder, temporary = self.path.with_suffix(""), self.path.with_suffix(".unzip")
        if not folder.exists():
            with zipfile.ZipFile(self.path) as archive:
                archive.extractall(temporary)
            os.replace(temporary, folder)
        return f"{glob.escape(str(folder))}/*.nc"

    def __str__(self) -> str:
        return f"ERA5 of {self.days[0]} to {self.days[-1]}"


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one where the file is not there or damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
