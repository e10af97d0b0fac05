"""Find a storm by name or IBTrACS serial id."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import pandas as pd

from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.errors import InputError


@dataclass(frozen=True, eq=False)
class Storm:
    """One storm of one agency: its best track, a note where the name left a choice, and where the numbers come from."""

    sid: str
    name: str
    season: int
    agency: str
    track: pd.DataFrame
    note: str
    source: str

    def __str__(self) -> str:
        return f"{self.name or 'unnamed'} {self.season} ({self.sid}, {self.agency})"


def find(storm: str, *, season: int | None = None, agency: str = "wmo", best: BestTracks | None = None) -> Storm:
    """Return the storm of that name or serial id, any case; of several seasons the latest, unless `season` says which.

    Raises InputError with the nearest names for a name that does not exist, and with the seasons of a name that does.
    """
    best = best or ibtracs.load(agency)
    catalogue = _catalogue(best)
    wanted = _spelling(storm)
    hits = catalogue[(catalogue["sid"] == wanted) | ((catalogue["spelling"] == wanted) & (wanted != ""))]
    if hits.empty:
        raise InputError(_miss(storm, wanted, catalogue, best))
    chosen = hits if season is None else hits[hits["season"] == season]
    if chosen.empty:
        raise InputError(
            f"{storm.strip().upper()} is not in season {season} of the {best.agency} best tracks; "
            f"it exists in {_listed(hits['season'])}."
        )
    row = chosen.iloc[-1]
    note = ""
    if season is None and len(hits) > 1:
        note = f"{row['name']} exists in {_listed(hits['season'])}; taking {row['season']}."
    return _storm(row, best, note)


def season_storms(season: int, agency: str = "wmo", *, best: BestTracks | None = None) -> list[Storm]:
    """Return every storm of a season in order of its first fix; raise InputError for a season without any."""
    best = best or ibtracs.load(agency)
    catalogue = _catalogue(best)
    rows = catalogue[catalogue["season"] == season]
    if rows.empty:
        first, last = catalogue["season"].min(), catalogue["season"].max()
        raise InputError(f"there is no storm of season {season}; the {best.agency} best tracks hold {first} to {last}.")
    return [_storm(row, best, "") for _, row in rows.iterrows()]


def _catalogue(best: BestTracks) -> pd.DataFrame:
    """A row a storm: sid, season, name, spelling, first fix; oldest first."""
    rows = best.table.groupby("track_id", sort=False).agg(
        season=("season", "first"), name=("name", "first"), time=("time", "min")
    )
    rows = rows.rename_axis("sid").reset_index().sort_values(["season", "time"], ignore_index=True)
    return rows.assign(spelling=rows["name"].map(_spelling))


def _spelling(name: str) -> str:
    """Upper case without hyphens and blanks, so that son-tinh, SONTINH and Son Tinh are one storm."""
    return "".join(letter for letter in name.upper() if letter.isalnum())


def _storm(row: pd.Series, best: BestTracks, note: str) -> Storm:
    fixes = best.table[best.table["track_id"] == row["sid"]].reset_index(drop=True)
    return Storm(str(row["sid"]), str(row["name"]), int(row["season"]), best.agency, fixes, note, best.source)


def _miss(storm: str, wanted: str, catalogue: pd.DataFrame, best: BestTracks) -> str:
    named = catalogue[catalogue["name"] != ""]
    first, last = catalogue["season"].min(), catalogue["season"].max()
    message = f"no storm {storm.strip()!r} in the {best.agency} best tracks {first}-{last}"
    by_id = wanted[:1].isdigit()
    pool = catalogue["sid"] if by_id else named["spelling"]
    near = difflib.get_close_matches(wanted, pool.unique().tolist(), n=4, cutoff=0.6)
    if near and by_id:
        message += f"; the nearest ids are {', '.join(near)}"
    elif near:
        found = [named[named["spelling"] == spelling] for spelling in near]
        message += "; the nearest names are " + ", ".join(
            f"{rows['name'].iloc[0]} ({_listed(rows['season'])})" for rows in found
        )
    return message + ". A storm whose name is not known here can be given by its IBTrACS id, such as 2023138N05151."


def _listed(seasons: pd.Series) -> str:
    years = [str(year) for year in sorted(seasons.unique())]
    return years[0] if len(years) == 1 else f"{', '.join(years[:-1])} and {years[-1]}"
