"""A Climate Data Store on this machine: queues requests, makes files of them, refuses, loses and breaks off."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.netcdf import write_cds

KEY = "5e7a2c30-0000-4000-8000-1d2c3b4a5f60"
JOBS, PROCESS = "/api/retrieve/v1/jobs/", "/api/retrieve/v1/processes/reanalysis-era5-single-levels"


class FakeStore:
    """What the store does, to be set by a test, and what it was asked."""

    def __init__(self, folder: Path, fields: Callable[[pd.DatetimeIndex, Region], xr.Dataset]) -> None:
        self.folder, self.fields = folder, fields
        self.refusals: dict[str, list[tuple[int, dict[str, Any], dict[str, str]]]] = {}  # by part of the path
        self.states = ["accepted", "running", "successful"]  # of every job, an answer each; the last one stays
        self.reason = "The job failed with: MarsNoDataError"
        self.most_days = 31
        self.cuts: list[int] = []  # bytes sent of a file before the connection breaks, an answer each
        self.ranges = True
        self.zipped = False
        self.change: Callable[[xr.Dataset], xr.Dataset] = lambda raw: raw  # the file before it is sent
        self.lost: set[str] = set()
        self.submitted: list[dict[str, Any]] = []
        self.looks: dict[str, int] = {}
        self.asked: list[str] = []
        self.downloads: list[str | None] = []  # the Range asked for
        self.sent = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.root = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def file(self, job: str) -> bytes:
        """Return the file of a job, made once."""
        path = self.folder / f"{job}.nc"
        with self._lock:
            if not path.exists():
                self._make(self.submitted[int(job.removeprefix("job-"))], path)
            return path.read_bytes()

    def _make(self, request: dict[str, Any], path: Path) -> None:
        dates = [f"{request['year'][0]}-{request['month'][0]}-{day}" for day in request["day"]]
        times = pd.DatetimeIndex([pd.Timestamp(f"{date}T{hour}") for date in dates for hour in request["time"]])
        north, west, south, east = request["area"]
        made = write_cds(self.fields(times.as_unit("ns"), Region(north, south, west, east)), path.with_suffix(".made"))
        raw = xr.load_dataset(made, engine="h5netcdf", decode_timedelta=True)
        raw = raw.assign_coords(expver=("valid_time", np.full(len(times), "0001")))
        raw.attrs = {"institution": "European Centre for Medium-Range Weather Forecasts"}
        raw = self.change(raw)
        if not self.zipped:
            raw.to_netcdf(path, engine="h5netcdf")
            return
        with zipfile.ZipFile(path, "w") as archive:
            rain = xr.zeros_like(raw["msl"]).drop_attrs().to_dataset(name="tp")
            for kind, part in {"instant": raw, "accum": rain}.items():
                archive.writestr(f"data_stream-oper_stepType-{kind}.nc", part.to_netcdf(None, engine="h5netcdf"))


def _handler(store: FakeStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def refused(self) -> bool:
            """Answer with the next refusal for this path, if there is one."""
            store.asked.append(f"{self.command} {self.path.split('?')[0]}")
            for part, answers in store.refusals.items():
                if part in store.asked[-1] and answers:
                    self.answer(*answers.pop(0))
                    return True
            if "/retrieve/" in self.path and self.headers.get("PRIVATE-TOKEN") != KEY:
                self.answer(401, {"title": "Authentication failed", "detail": "operation not allowed"})
                return True
            return False

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.refused():
                return
            assert self.path == f"{PROCESS}/execution", self.path
            if len(body["inputs"]["day"]) > store.most_days:
                detail = "Your request is too large, please reduce your selection."
                self.answer(403, {"title": "cost limits exceeded", "detail": detail})
                return
            job = f"job-{len(store.submitted)}"
            store.submitted.append(body["inputs"])
            links = [{"rel": "monitor", "href": f"{store.root}{JOBS}{job}"}]
            self.answer(201, {"jobID": job, "status": "accepted", "links": links})

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if self.refused():
                return
            if path == "/api/catalogue/v1/messages":
                self.answer(200, {"messages": []})
            elif path == PROCESS:
                self.answer(200, {"id": PROCESS.rpartition("/")[2], "links": []})
            elif match := re.fullmatch(rf"{JOBS}(job-\d+)(/results)?", path):
                self.job(match[1], results=bool(match[2]))
            elif path.startswith("/cache/"):
                self.file(path.removeprefix("/cache/").removesuffix(".nc"))
            else:
                self.answer(404, {"title": "not found"})

        def job(self, job: str, *, results: bool) -> None:
            if job in store.lost:
                self.answer(404, {"title": "job not found", "detail": f"job {job} not found"})
                return
            if not results:
                look = store.looks[job] = store.looks.get(job, -1) + ("log=" in self.path)
                state = store.states[min(max(look, 0), len(store.states) - 1)]
                links = [{"rel": "self", "href": f"{store.root}{JOBS}{job}"}]
                self.answer(200, {"jobID": job, "processID": "era5", "status": state, "links": links})
            elif store.states[-1] == "successful":
                size = len(store.file(job))
                asset = {"type": "application/netcdf", "href": f"{store.root}/cache/{job}.nc", "file:size": size}
                self.answer(200, {"asset": {"value": asset}})
            else:
                self.answer(400, {"title": "The job has failed", "traceback": f"Traceback ...\n{store.reason}\n"})

        def file(self, job: str) -> None:
            wanted = self.headers.get("Range")
            store.downloads.append(wanted)
            content = store.file(job)
            begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and store.ranges else 0
            rest = content[begin:]
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            piece = rest[: store.cuts.pop(0)] if store.cuts else rest
            self.wfile.write(piece)
            store.sent += len(piece)
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    return Handler
