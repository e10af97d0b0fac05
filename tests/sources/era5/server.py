"""A local HTTP server of a folder, with byte ranges and ETags, that counts what it sends and fails when told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Fault:
    """What goes wrong with requests for paths that contain `where`, after the first `after`, `times` times."""

    kind: str  # a status, or one of cut, short, long, trickle, silence, replaced, whole
    times: int = 1_000_000
    where: str = ""
    after: int = 0


@dataclass
class Request:
    path: str
    start: int
    end: int
    sent: int = 0


class Server:
    """The folder served, the faults to come and the requests so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.latency = 0.0  # seconds before each answer
        self.url = ""
        self.lock = threading.Lock()
        self.done = threading.Event()

    @property
    def sent(self) -> int:
        """The bytes of all bodies."""
        return sum(request.sent for request in self.requests)

    def fault(self, path: str) -> str:
        with self.lock:
            for fault in self.faults:
                if fault.where in path and fault.times:
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault.kind
        return ""


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = unquote(self.path)
            file = server.folder / path.lstrip("/")
            request = Request(path, 0, 0)
            with server.lock:
                server.requests.append(request)
            time.sleep(server.latency)
            kind = server.fault(path)
            if kind.isdigit() or not file.is_file():
                self.refuse(int(kind or 404))
                return
            size, ranged = file.stat().st_size, self.headers.get("Range") if kind != "whole" else None
            request.end = size
            etag = '"two"' if kind == "replaced" else '"one"'
            if self.headers.get("If-Match", etag) != etag:
                self.refuse(412)
                return
            if ranged:
                first, last = ranged.removeprefix("bytes=").split("-")
                request.start, request.end = int(first), min(int(last) + 1, size)
            with file.open("rb") as content:
                content.seek(request.start)
                body = content.read(request.end - request.start)
            self.send_response(206 if ranged else 200)
            if ranged:
                self.send_header("Content-Range", f"bytes {request.start}-{request.end - 1}/{size}")
            declared = {"short": len(body) // 2, "long": len(body) * 2}.get(kind, len(body))
            self.send_header("Content-Length", str(declared))
            self.send_header("ETag", etag)
            self.end_headers()
            self.send(body[:declared], kind, request)

        def refuse(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()

        def send(self, body: bytes, kind: str, request: Request) -> None:
            if kind in ("cut", "long", "silence"):
                body = body[: len(body) // 2] if kind == "cut" else body[:1] if kind == "silence" else body
                self.close_connection = True
            if kind == "trickle":
                for byte in body:
                    if server.done.wait(0.02):
                        break
                    self.wfile.write(bytes([byte]))
            else:
                self.wfile.write(body)
                request.sent = len(body)
            if kind == "silence":
                server.done.wait(5)

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client has given up
                super().handle()

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.done.set()
        http.shutdown()
        http.server_close()


def refused_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
