"""Waits until the bundled database accepts connections, then becomes the application's migration."""

import os
import socket
import sys
import time

PATIENCE_SECONDS = 180

address = (os.environ["DATABASE_HOST"], int(os.environ["DATABASE_PORT"]))
deadline = time.monotonic() + PATIENCE_SECONDS
while True:
    try:
        socket.create_connection(address, timeout=2).close()
        break
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit(f"database {address[0]}:{address[1]} is not reachable: {error}")
        time.sleep(0.5)
os.execvp("python", ["python", "-m", "thanksgiving.migrate"])  # noqa: S606 - the image's own Python
