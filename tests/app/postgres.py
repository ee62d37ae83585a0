"""A throw-away PostgreSQL for one test session: Debian's binaries when they are there, else a container."""

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

START_SECONDS = 60
#: Images that honour the official image's contract, with a registry or made here without one.
IMAGES = ("postgres:17-alpine", "postgres:16-alpine", "postgres:15-alpine")
INSTALL = (
    "sudo apt-get install postgresql-15   (or any PostgreSQL whose initdb and pg_ctl are found)"
)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Yields ``postgresql://user:password@host:port`` of an empty server; it is gone afterwards.

    Raises:
        RuntimeError: There are neither binaries nor an image; says what to install.
    """
    programs = binaries()
    if programs is not None:
        with _cluster(programs) as address:
            yield address
        return
    with _container() as address:
        yield address


def binaries() -> Path | None:
    """The folder with initdb and pg_ctl, the newest Debian version first, or None."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0),
        reverse=True,
    )
    on_path = shutil.which("pg_ctl")
    candidates = [*folders, *([Path(on_path).resolve().parent] if on_path else [])]
    complete = (
        path for path in candidates if all((path / name).exists() for name in ("initdb", "pg_ctl"))
    )
    return next(complete, None)


def create(server: str, name: str, template: str = "template0") -> str:
    """Creates a database and returns its address."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return f"{server}/{name}"


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _cluster(programs: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="thanksgiving-postgres-"))
    data, port = folder / "data", free_port()
    user = _owner(folder)
    _run([programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"], user)
    # Nothing has to survive: no waiting for the disk. The claims of a thousand need their connections.
    options = (
        f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=100"
    )
    control: list[str | Path] = [programs / "pg_ctl", "-D", data, "-w", "-t", str(START_SECONDS)]
    _run([*control, "-l", folder / "log", "-o", options, "start"], user)
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        _run([*control, "-m", "immediate", "stop"], user)
        shutil.rmtree(folder, ignore_errors=True)


def _owner(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: another user owns the folder then. None means as we are."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_name


def _run(argv: Sequence[str | Path], user: str | None) -> None:
    entry = pwd.getpwnam(user) if user else None
    done = subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # not a pipe: the server would hold it open
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=entry.pw_uid if entry else None,
        group=entry.pw_gid if entry else None,
        extra_groups=[] if entry else None,
        timeout=START_SECONDS * 2,
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}")


@contextlib.contextmanager
def _container() -> Iterator[str]:
    docker = shutil.which("docker")
    present = [image for image in IMAGES if docker and _has_image(docker, image)]
    if not docker or not present:
        raise RuntimeError(f"no PostgreSQL for the tests: {INSTALL}")
    port = free_port()
    started = subprocess.run(
        [
            *(docker, "run", "--detach", "--rm", "--publish", f"127.0.0.1:{port}:5432"),
            *("--env", "POSTGRES_PASSWORD=test", "--env", "POSTGRES_USER=postgres", present[0]),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    name = started.stdout.strip()
    try:
        address = f"postgresql://postgres:test@127.0.0.1:{port}"
        _wait(f"{address}/postgres")
        yield address
    finally:
        subprocess.run([docker, "rm", "--force", name], check=True, capture_output=True)


def _has_image(docker: str, image: str) -> bool:
    found = subprocess.run([docker, "image", "inspect", image], check=False, capture_output=True)
    return found.returncode == 0


def _wait(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
