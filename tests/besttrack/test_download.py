"""Fetching IBTrACS from a server that behaves, breaks off, refuses or sends something else."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.besttrack.conftest import ROWS, write_csv
from typhoon_tracker.besttrack import download, ibtracs
from typhoon_tracker.errors import InputError

FILE = "ibtracs.WP.list.v04r01.csv"


class Server:
    """What the local server sends, how often it breaks off, and what it was asked."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.etag: str | None = '"one"'
        self.status = 200
        self.kind = "text/csv"
        self.ranges = True
        self.cuts: list[int] = []  # bytes to send before breaking off, an answer each
        self.asked: list[str | None] = []
        self.url = ""


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append(wanted)
            if server.status != 200:
                self.send_error(server.status)
                return
            begin = 0
            if wanted and server.ranges and self.headers.get("If-Range") == server.etag:
                begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            rest = server.body[begin:]
            self.send_response(206 if begin else 200)
            self.send_header("Content-Type", server.kind)
            self.send_header("Content-Length", str(len(rest)))
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            self.wfile.write(rest[: server.cuts.pop(0)] if server.cuts else rest)
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_PIECE", 100)  # the file served is small
    body = write_csv(tmp_path / "served.csv").read_bytes()
    told = Server(body)
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(told))
    told.url = f"http://127.0.0.1:{http.server_address[1]}/{FILE}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield told
    http.shutdown()
    http.server_close()


def fetch(server: Server) -> Path:
    return download.fetch(url=server.url, progress=False)


def test_fetched_tracks_take_the_place_of_the_shipped(server: Server, empty_cache: Path) -> None:
    assert ibtracs.load().table["season"].max() == 2024
    path = fetch(server)
    assert path == empty_cache / FILE
    assert path.read_bytes() == server.body
    assert sorted(file.name for file in empty_cache.iterdir()) == [FILE, f"{FILE}.json"]
    best = ibtracs.load()
    assert set(best.table["season"]) == {2031}
    assert hashlib.sha256(server.body).hexdigest()[:12] in best.source
    assert server.url in best.source


def test_a_renewed_file_replaces_the_former(server: Server, tmp_path: Path) -> None:
    fetch(server)
    server.body, server.etag = write_csv(tmp_path / "renewed.csv", ROWS[:3]).read_bytes(), '"two"'
    assert fetch(server).read_bytes() == server.body


def test_a_cut_is_taken_up_where_it_broke(server: Server) -> None:
    server.cuts = [500]
    assert fetch(server).read_bytes() == server.body
    assert server.asked == [None, "bytes=500-"]


def test_the_next_call_takes_up_what_three_cuts_left(server: Server, empty_cache: Path) -> None:
    server.cuts = [300, 200, 100]
    with pytest.raises(InputError, match="was cut 3 times, last after 600 bytes"):
        fetch(server)
    assert not (empty_cache / FILE).exists()
    assert fetch(server).read_bytes() == server.body
    assert server.asked[-1] == "bytes=600-"


def test_a_file_renewed_meanwhile_is_not_pasted_together(server: Server, tmp_path: Path) -> None:
    server.cuts = [300, 200, 100]
    with pytest.raises(InputError, match="cut"):
        fetch(server)
    server.body, server.etag = write_csv(tmp_path / "renewed.csv", ROWS[:3]).read_bytes(), '"two"'
    assert fetch(server).read_bytes() == server.body


@pytest.mark.parametrize("lacking", ["ranges", "etag"])
def test_a_server_that_cannot_resume_starts_over(server: Server, lacking: str) -> None:
    server.ranges, server.etag = (False, '"one"') if lacking == "ranges" else (True, None)
    server.cuts = [500]
    assert fetch(server).read_bytes() == server.body


@pytest.mark.parametrize(
    ("status", "words"), [(404, "answered 404 Not Found"), (503, "answered 503 Service Unavailable")]
)
def test_a_server_that_refuses(server: Server, status: int, words: str) -> None:
    server.status = status
    with pytest.raises(InputError, match=words):
        fetch(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/csv"])
def test_a_web_page_is_not_kept(server: Server, empty_cache: Path, kind: str) -> None:
    server.kind, server.body = kind, b"<html><body>Please sign in</body></html>"
    with pytest.raises(InputError, match=r"web page|did not send IBTrACS"):
        fetch(server)
    assert not list(empty_cache.iterdir())


def test_a_former_file_survives_a_bad_one(server: Server) -> None:
    path = fetch(server)
    good = path.read_bytes()
    server.body, server.etag = b"SID,ISO_TIME\n1,2\n", '"two"'
    with pytest.raises(InputError, match="did not send IBTrACS"):
        fetch(server)
    assert path.read_bytes() == good
    assert set(ibtracs.load().table["season"]) == {2031}


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=r"could not connect to .*: Connection refused\. The best tracks that ship"):
        download.fetch(url=f"http://127.0.0.1:{port}/{FILE}", progress=False)


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(InputError, match=r"could not connect to http://nowhere\.invalid"):
        download.fetch(url=f"http://nowhere.invalid/{FILE}", progress=False)


def test_the_progress_bar_counts_to_the_end(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    download.fetch(url=server.url, progress=True)
    assert FILE[:10] in capsys.readouterr().out
