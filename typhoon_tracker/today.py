"""A storm of today: forecast from the ECMWF's newest analyses, beside the ECMWF's own forecast; not scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typhoon_tracker.console import hours, progress, times
from typhoon_tracker.errors import InputError
from typhoon_tracker.resources import DEFAULT_MODEL

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.table import Table

    from typhoon_tracker.forecast.base import Forecaster
    from typhoon_tracker.geo.grid import Region
    from typhoon_tracker.hindcast import Progress
    from typhoon_tracker.sources.open_data import OpenData

MEGABYTE = 1_000_000
OUTPUT = Path("tracks/forecast")
TRACKS = "tracks.csv"


@dataclass(frozen=True, eq=False)
class Today:
    """Fixes by the model and by the rival at the same valid times, and where the fields come from."""

    fields: xr.Dataset
    analysis: pd.DataFrame  # the storm's fix at the init time
    model: pd.DataFrame  # track table with init_time and lead_time
    rival: pd.DataFrame
    rival_source: str

    @property
    def init(self) -> pd.Timestamp:
        return self.fields.indexes["time"][-1]

    def table(self) -> pd.DataFrame:
        """Return a row a valid time at which either has a fix: both fixes and the distance between them (km)."""
        from typhoon_tracker.geo.sphere import distance

        columns = ["time", "lat", "lon", "msl", "wind"]
        both = self.model[columns].merge(self.rival[columns], on="time", how="outer", suffixes=("", "_rival"))
        both["apart_km"] = distance(both["lat"], both["lon"], both["lat_rival"], both["lon_rival"])
        both["lead_h"] = (both["time"] - self.init).dt.total_seconds() / 3600
        return both.sort_values("time", ignore_index=True)


def forecast_today(
    data: OpenData,
    forecaster: Forecaster,
    position: tuple[float, float],
    lead_hours: int,
    *,
    region: Region,
    now: pd.Timestamp | None = None,
    show: Progress | None = None,
) -> Today:
    """Forecast the storm that is near `position` (lat, lon), from the newest analyses before `now` over `region`.

    Raises InputError where the position is outside the region, and where the analysis has no storm near it.
    """
    import pandas as pd

    from typhoon_tracker import track
    from typhoon_tracker.forecast.base import check_leads, valid_frames
    from typhoon_tracker.tracker.follow import follow

    check_leads([lead_hours])
    lat, lon = position
    if not region.contains(lat, lon):
        raise InputError(f"position {lat:g},{lon:g} is outside the region {region}, for which the models are made.")
    arrived = 0

    def arriving(some: int) -> None:
        nonlocal arrived
        arrived += some
        if show:
            show("fetching analyses and forecast, MB", arrived // MEGABYTE, arrived // MEGABYTE + 1)

    fields = data.latest(region, hours_back=forecaster.frames_in, now=now, progress=arriving)
    init = fields.indexes["time"][-1]
    guess = track.create(track_id=["storm"], time=[init], lat=[lat], lon=[lon])
    analysis = follow(fields.isel(time=[-1]), guess)
    if analysis.empty:
        raise InputError(
            f"the analysis of {init:%Y-%m-%d %H}Z has no storm near {lat:g},{lon:g}; correct the position."
        )
    leads = list(range(1, lead_hours + 1))
    (made,) = forecaster.hindcast(fields, pd.DatetimeIndex([init]), leads)
    theirs = data.forecast(region, init, range(3, max(lead_hours, 3) + 1, 3), progress=arriving)

    def followed(forecast: xr.Dataset) -> pd.DataFrame:
        start = pd.Timestamp(forecast["init_time"].values[0])
        fixes = follow(valid_frames(forecast), analysis.assign(time=min(start, init)))
        return fixes.assign(init_time=start, lead_time=fixes["time"] - start)

    return Today(fields, analysis, followed(made), followed(theirs), theirs.attrs["source"])


def forecast(
    position: Annotated[str, typer.Option(help="where the storm is now: LAT,LON such as 18.2,126.4")],
    lead: Annotated[str, typer.Option(help="longest lead time, such as 24h; up to 72h")] = "24h",
    init: Annotated[
        str | None, typer.Option(help="from this time's analysis, such as 2026-11-20T00; the newest if not given")
    ] = None,
    name: Annotated[str, typer.Option(help="name of the storm, for the files")] = "storm",
    model: Annotated[str, typer.Option(help="a model of models/, a model folder, or 'persistence'")] = DEFAULT_MODEL,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: the faster one, measured")] = "fp32",
    endpoint: Annotated[str, typer.Option(help="where the open data are: ecmwf, aws, google or a URL")] = "ecmwf",
    out: Annotated[Path | None, typer.Option(help=f"folder of the tracks; {OUTPUT}/NAME-TIME if not given")] = None,
) -> None:
    """Forecast a storm of today from ECMWF open data, beside the ECMWF's own forecast."""
    place, lead_hours = _position(position), hours(lead)
    now = None if init is None else times(init)[0]
    import pandas as pd
    from rich.console import Console

    from typhoon_tracker import track_files
    from typhoon_tracker.forecast.catalogue import forecaster
    from typhoon_tracker.geo.grid import PAPER_REGION
    from typhoon_tracker.outputs import check_folder
    from typhoon_tracker.sources.open_data import OpenData

    console = Console()
    chosen = forecaster(model, precision=precision)
    data = OpenData(endpoint=endpoint, status=lambda line: console.print(line, highlight=False, soft_wrap=True))
    with progress() as show:
        result = forecast_today(data, chosen, place, lead_hours, region=PAPER_REGION, now=now, show=show)
    folder = out or OUTPUT / f"{name}-{result.init:%Y%m%d%H}"
    check_folder(folder)
    both = [result.model.assign(track_id=chosen.name), result.rival.assign(track_id="ecmwf-hres")]
    track_files.write_csv(pd.concat(both, ignore_index=True), folder / TRACKS)
    fix = result.analysis.iloc[0]
    console.print(_drawn(result.table(), title=f"{name} from {result.init:%Y-%m-%d %H}Z: {chosen.name} and ECMWF HRES"))
    lines = {
        "analysis": f"{fix['lat']:.2f}N {fix['lon']:.2f}E, {fix['msl'] / 100:.0f} hPa",
        "fields": f"{result.fields.attrs['source']}; {result.fields.attrs['time_interpolation']}",
        "model": f"{chosen.name}, trained on other fields than these; its skill on them is not known",
        "rival": result.rival_source,
        "files": folder / TRACKS,
    }
    for key, text in lines.items():
        console.print(f"{key:<9}{text}", highlight=False, soft_wrap=True)


def _drawn(rows: pd.DataFrame, *, title: str) -> Table:
    from rich.table import Table

    drawn = Table(title=title, caption="- no fix: the rival has steps of 3 h, or the storm is lost")
    for heading in ("lead", "valid", "lat", "lon", "hPa", "m/s", "ECMWF lat", "lon", "hPa", "m/s", "apart km"):
        drawn.add_column(heading, justify="right")
    for row in rows.to_dict("records"):
        cells = [f"{row['lead_h']:g} h", f"{row['time']:%d %H}Z"]
        for suffix in ("", "_rival"):
            values = (row[f"lat{suffix}"], row[f"lon{suffix}"], row[f"msl{suffix}"] / 100, row[f"wind{suffix}"])
            cells += [_said(value, digits) for value, digits in zip(values, (2, 2, 0, 0), strict=True)]
        drawn.add_row(*cells, _said(row["apart_km"], 0))
    return drawn


def _said(value: float, digits: int) -> str:
    return "-" if value != value else f"{value:.{digits}f}"


def _position(text: str) -> tuple[float, float]:
    try:
        lat, lon = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"position {text!r} is not LAT,LON; give it such as 18.2,126.4.") from error
    if not -90 <= lat <= 90 or not -180 <= lon <= 360:
        raise InputError(f"position {text!r} lies on no globe: latitude -90 to 90, longitude -180 to 360.")
    return lat, lon
