"""Entrypoint of the image: gives address and key the names that the application reads, then runs the command.

``DATABASE_VARIABLES`` (``url=NAME scheme=postgresql host=NAME …``) and ``SIGNING_KEY_VARIABLE`` say which, from
project.yaml. The address comes whole as ``DATABASE_URL`` or in parts as ``DATABASE_HOST`` and so on; with neither it is
an SQLite file.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType
from urllib.parse import quote, unquote, urlsplit

SQLITE = "sqlite:////data/app.db"
CONFIGURATION = "/opt/delivery/gunicorn.conf.py"
#: Seconds between two looks at the code while an edit keeps the server from starting.
LOOK_SECONDS = 0.5


def address(env: Mapping[str, str]) -> str:
    """The database's URL."""
    if url := env.get("DATABASE_URL"):
        return url
    if not env.get("DATABASE_HOST"):
        return SQLITE
    user, password = (quote(env[f"DATABASE_{part}"], safe="") for part in ("USER", "PASSWORD"))
    server = f"{env['DATABASE_HOST']}:{env.get('DATABASE_PORT') or '5432'}"
    mode = f"?sslmode={env['DATABASE_SSLMODE']}" if env.get("DATABASE_SSLMODE") else ""
    return f"postgresql://{user}:{password}@{server}/{env['DATABASE_NAME']}{mode}"


def variables(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that the application reads, with their values; without an SQLite file's server and user."""
    names = dict(word.split("=", 1) for word in env.get("DATABASE_VARIABLES", "").split())
    key = (
        {env.get("SIGNING_KEY_VARIABLE", "SECRET_KEY"): env["SECRET_KEY"]}
        if "SECRET_KEY" in env
        else {}
    )
    if not names:
        return key
    url = address(env)
    parts = urlsplit(url)
    if parts.scheme.startswith("postgres"):
        url = f"{names.get('scheme', 'postgresql')}{url[len(parts.scheme) :]}"
    values = {
        "url": url,
        "host": parts.hostname,
        "port": str(parts.port or 5432) if parts.hostname else None,
        "name": parts.path[1:],
        "user": parts.username,
        "password": parts.password,
    }
    return key | {
        names[part]: value if part == "url" else unquote(value)
        for part, value in values.items()
        if part in names and value
    }


def serve_edits(command: Sequence[str]) -> int:
    """Runs the command, and again after the next edit where one has ended it; returns its exit code.

    gunicorn ends where a reloaded worker cannot import the application.
    """
    import subprocess  # noqa: PLC0415 - production has no use for it, and starts sooner without

    child: subprocess.Popen[bytes] | None = None
    stopped = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        if child is None or child.poll() is not None:
            sys.exit(128 + number)
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    first = code()
    while True:
        before = code()
        child = subprocess.Popen(command)
        ended = child.wait()
        if ended == 0 or stopped or code() == first:
            return ended
        while code() == before:
            time.sleep(LOOK_SECONDS)


def code() -> dict[str, tuple[int, int]]:
    """Time and mode of each Python file in the working directory."""
    from pathlib import Path  # noqa: PLC0415 - as above

    states = {}
    for path in Path().rglob("*.py"):
        with suppress(FileNotFoundError):  # an editor's own
            state = path.stat()
            states[str(path)] = state.st_mtime_ns, state.st_mode
    return states


if __name__ == "__main__":
    os.environ.update(variables(os.environ))
    if not os.path.exists("gunicorn.conf.py"):  # noqa: PTH110 - pathlib would double the time of this program
        os.environ.setdefault("GUNICORN_CMD_ARGS", f"--config {CONFIGURATION}")
    if os.environ.get("ENVIRONMENT") == "development":
        sys.exit(serve_edits(sys.argv[1:]))
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command is the image's own
