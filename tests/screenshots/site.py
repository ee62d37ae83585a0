"""The front page of the site that ``./inv docs`` builds."""

import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipeline.commands import docs
from tests.screenshots.camera import Camera


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that prints nothing."""

    def log_message(self, *_: object) -> None:
        """Not to the terminal."""


def take(camera: Camera) -> None:
    """A picture of the site as a server shows it: its search needs one."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        docs.run(site=site)
        serve = partial(Quiet, directory=str(site))
        with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            camera.take("site", f"http://127.0.0.1:{server.server_port}/", (1400, 900))
            server.shutdown()
