"""A folder served as S3, read-only: its first-level folders are buckets. Enough for Lance and for Arrow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


@contextmanager
def serving(folder: Path) -> Iterator[dict[str, str]]:
    """Serve a folder; yield the storage options to read it with."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            if "list-type" in query:
                self._list(query)
            else:
                self._answer(body=True)

        def _send(self, status: int, data: bytes, headers: dict[str, str], *, body: bool = True) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def _answer(self, *, body: bool) -> None:
            key = unquote(urlsplit(self.path).path).strip("/")
            file = folder / key
            if not file.is_file():
                there = file.is_dir() and "/" not in key
                self._send(200 if there else 404, b"", {}, body=body)
                return
            size = file.stat().st_size
            headers = {"ETag": '"1"', "Last-Modified": "Sat, 21 Nov 2026 16:50:34 GMT", "Accept-Ranges": "bytes"}
            first, last, status = 0, size - 1, 200
            if asked := self.headers.get("Range"):
                start, stop = asked.removeprefix("bytes=").split("-")
                first, last, status = int(start), min(int(stop or size), size - 1), 206
                if first >= size:
                    self._send(416, b"<Error><Code>InvalidRange</Code></Error>", {}, body=body)
                    return
                headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            with file.open("rb") as opened:
                opened.seek(first)
                data = opened.read(last - first + 1)
            self._send(status, data, headers, body=body)

        def _list(self, query: dict[str, list[str]]) -> None:
            bucket = unquote(urlsplit(self.path).path).strip("/")
            prefix, most = query.get("prefix", [""])[0], int(query.get("max-keys", ["1000"])[0])
            top = folder / bucket
            keys = sorted(each.relative_to(top).as_posix() for each in top.rglob("*") if each.is_file())
            kept = [key for key in keys if key.startswith(prefix)][:most]
            contents = "".join(
                f"<Contents><Key>{escape(key)}</Key><Size>{(top / key).stat().st_size}</Size>"
                f"<LastModified>2026-11-21T16:50:34.000Z</LastModified><ETag>1</ETag></Contents>"
                for key in kept
            )
            text = (
                f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(kept)}</KeyCount>"
                f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
            )
            self._send(200, text.encode(), {"Content-Type": "application/xml"})

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "aws_access_key_id": "KEY",
            "aws_secret_access_key": "SECRET",
            "aws_endpoint": f"http://127.0.0.1:{server.server_port}",
            "allow_http": "true",
            "aws_region": "us-east-1",
            "aws_virtual_hosted_style_request": "false",
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
