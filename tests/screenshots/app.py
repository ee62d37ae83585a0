"""The sample application with its demonstration: front page, guest, organiser, and the guest on a phone in the dark."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.app import servers
from tests.screenshots.camera import PHONE, Camera

SIZE = (1200, 1100)


def take(camera: Camera) -> None:
    """Pictures of the work tree's application, on a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "DATABASE_URL": f"sqlite:///{folder}/demo.db",
            "SECRET_KEY": "s" * 40,
            "AUTO_MIGRATE": "1",
        }
        server = servers.start(Path(folder), settings)
        try:
            argv = [sys.executable, "-m", "flask", "--app", "app", "seed-demo"]
            seeded = subprocess.run(
                argv,
                cwd=servers.APP,
                env={**os.environ, "ENVIRONMENT": "test", **settings},
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            ).stdout
            organiser, guest = re.findall(r"/[og]/\S+", seeded)
            for name, path in (("home", "/"), ("guest", guest), ("organiser", organiser)):
                camera.take(name, server.url + path, SIZE)
            camera.take("guest-phone-dark", server.url + guest, PHONE, scheme="dark")
        finally:
            server.kill()
