"""ECMWF open data on this machine: GRIB2 files, their indexes and byte ranges, by the ECMWF's names."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import xarray as xr

PARAMETERS = {"msl": "msl", "10u": "u10", "10v": "v10", "2t": "t2m"}
ARCHIVED = pd.Timestamp("2026-05-12")  # before, the streams of 06 and 18Z were called scda


def messages(frame: xr.Dataset, cycle: pd.Timestamp, step: int) -> list[tuple[str, bytes]]:
    """Return a contract frame as GRIB2 messages, and one of another parameter between them."""
    import eccodes  # isort: skip

    made = []
    latitude, longitude = frame["latitude"].values, frame["longitude"].values
    for short, name in [("msl", "msl"), ("sp", "msl"), *list(PARAMETERS.items())[1:]]:
        handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        keys = {
            "centre": "ecmf",
            "dataDate": int(f"{cycle:%Y%m%d}"),
            "dataTime": cycle.hour * 100,
            "Ni": len(longitude),
            "Nj": len(latitude),
            "latitudeOfFirstGridPointInDegrees": latitude[0],
            "latitudeOfLastGridPointInDegrees": latitude[-1],
            "longitudeOfFirstGridPointInDegrees": longitude[0],
            "longitudeOfLastGridPointInDegrees": longitude[-1],
            "iDirectionIncrementInDegrees": 0.25,
            "jDirectionIncrementInDegrees": 0.25,
            "shortName": short,
            "step": step,
            "bitsPerValue": 24,
        }
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set_values(handle, frame[name].values.astype(np.float64).ravel())
        made.append((short, eccodes.codes_get_message(handle)))
        eccodes.codes_release(handle)
    return made


def file_name(cycle: pd.Timestamp, step: int) -> str:
    stream = "scda" if cycle.hour in (6, 18) and cycle < ARCHIVED else "oper"
    return f"/{cycle:%Y%m%d}/{cycle:%H}z/ifs/0p25/{stream}/{cycle:%Y%m%d%H}0000-{step}h-{stream}-fc"


class OpenDataServer:
    """What is published, how the server misbehaves, and what it was asked."""

    def __init__(self, frame: Callable[[pd.Timestamp], xr.Dataset]) -> None:
        self._frame = frame
        self.published: dict[str, list[tuple[str, bytes]]] = {}  # by name without ending
        self.refusals: list[int] = []  # statuses to answer GET with first
        self.cuts: list[int] = []  # bytes of a part sent before the connection breaks, an answer each
        self.several_ranges = True
        self.asked: list[str] = []

    def publish(self, cycle: str, *steps: int, lacking: str = "") -> None:
        """Put the steps of a cycle there, their fields those of the valid time."""
        for step in steps:
            start = pd.Timestamp(cycle)
            made = messages(self._frame(start + pd.Timedelta(hours=step)), start, step)
            self.published[file_name(start, step)] = [one for one in made if one[0] != lacking]

    def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def index(self, name: str) -> bytes:
        lines, offset = [], 0
        step = name.split("-")[1].removesuffix("h")
        for short, message in self.published[name]:
            line = {"param": short, "type": "fc", "step": step, "levtype": "sfc"}
            lines.append(json.dumps(line | {"_offset": offset, "_length": len(message)}))
            offset += len(message)
        return "\n".join(lines).encode()


def _handler(server: OpenDataServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.reply(head=True)

        def do_GET(self) -> None:
            self.reply(head=False)

        def reply(self, *, head: bool) -> None:
            server.asked.append(f"{self.command} {self.path}")
            name, _, ending = self.path.rpartition(".")
            if server.refusals and not head:
                self.send_error(server.refusals.pop(0))
            elif name not in server.published:
                self.send_error(404)
            elif ending == "index":
                self.send(200, server.index(name), {})
            else:
                self.data(b"".join(message for _, message in server.published[name]), head=head)

        def data(self, content: bytes, *, head: bool) -> None:
            ranges = self.headers.get("Range") or self.headers.get("range")
            if head or not ranges:
                self.send(200, content, {"Accept-Ranges": "bytes"}, head=head)
                return
            spans = [tuple(map(int, span.split("-"))) for span in ranges.removeprefix("bytes=").split(",")]
            if len(spans) == 1 or not server.several_ranges:
                first, last = spans[0]
                told = {"Content-Range": f"bytes {first}-{last}/{len(content)}", "Content-Type": "application/grib"}
                self.send(206, content[first : last + 1], told)
                return
            parts = b"".join(
                b"--cut\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (first, last, len(content))
                + content[first : last + 1]
                + b"\r\n"
                for first, last in spans
            )
            self.send(206, parts + b"--cut--\r\n", {"Content-Type": "multipart/byteranges; boundary=cut"})

        def send(self, status: int, content: bytes, headers: dict[str, str], *, head: bool = False) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if not head:
                cut = server.cuts.pop(0) if status == 206 and server.cuts else len(content)
                self.wfile.write(content[:cut])
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    return Handler
