"""Answers every request with what it saw. MODE: ok, crash, never (ready), broken (500 on /readyz), and for all
but /readyz faulty (500 on every fifth request), silent (hangs up on every fifth), slower (2 s more for each)."""

import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("MODE", "ok")
SLOW_SECONDS = 3
SLOWER_SECONDS = 2
requests = itertools.count(1)
PATHS = ("/", "/tmp", "/var/tmp")  # noqa: S108 - which of them can be written is what is asked
STATUS = {"ok": 200, "never": 503, "broken": 500}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/slow"):
            time.sleep(SLOW_SECONDS)
        silent = MODE == "silent" and self.path != "/readyz" and next(requests) % 5 == 0
        if self.path.startswith("/hang-up") or silent:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.path == "/readyz":
            self._answer(STATUS.get(MODE, 200))
            return
        if MODE == "slower":
            time.sleep(SLOWER_SECONDS)
        self._answer(500 if MODE == "faulty" and next(requests) % 5 == 0 else 200)

    do_HEAD = do_GET  # noqa: N815 - named by the base class

    def do_POST(self) -> None:
        received = 0
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                received += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            received = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self._answer(200, received=received)

    def _answer(self, status: int, **more: object) -> None:
        body = json.dumps(
            {
                "host": socket.gethostname(),
                "version": os.environ.get("VERSION"),
                "path": self.path,
                "headers": dict(self.headers),
                "secret": os.environ.get("SECRET"),
                "writable": [path for path in PATHS if os.access(path, os.W_OK)],
                "user": os.getuid(),
                **more,
            }
        ).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """No access log."""


class Server(ThreadingHTTPServer):
    request_queue_size = 512


if MODE == "crash":
    print("boom: this version cannot start")
    sys.exit(3)

server = Server(("0.0.0.0", 5000), Handler)


def end(*_: object) -> None:
    print("ending")
    threading.Thread(target=server.shutdown).start()


signal.signal(signal.SIGTERM, end)
print(f"serving as {MODE}")
server.serve_forever()
server.server_close()
