"""A stand-in for OSV, the source of advisories about Python packages."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pipeline.scanners.osv import KNOWN_BAD


@contextmanager
def knowing(
    advisories: Mapping[str, str], records: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[str]:
    """The address for ``OSV_API`` of a source that knows one advisory for each of these package URLs.

    It knows as well the package by which the scan judges its source.

    Args:
        records: What it knows of an advisory; by default it is severe and fixed.
    """
    known = {**advisories, KNOWN_BAD: "GAUNTLET-0"}

    class Osv(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            queries = json.loads(self.rfile.read(size))["queries"]
            names = [known.get(query["package"]["purl"]) for query in queries]
            results = [{"vulns": [{"id": name}]} if name else {} for name in names]
            self._answer(json.dumps({"results": results}).encode())

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            fixed = {"affected": [{"ranges": [{"events": [{"fixed": "999"}]}]}]}
            content = json.dumps({"id": name, **fixed, **(records or {}).get(name, {})}).encode()
            self._answer(content)

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
