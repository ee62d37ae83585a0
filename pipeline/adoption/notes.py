"""What may keep an adopted application from running: nothing here refuses it, since some of it is settled elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.adoption.packages import PYTHON

#: Servers and processes that are not delivered with the application, by the packages that use them.
ELSEWHERE = {
    "MongoDB": {"pymongo", "flask-pymongo", "mongoengine", "flask-mongoengine"},
    "Redis": {"redis", "flask-redis"},
    "Celery's workers": {"celery"},
    "RQ's workers": {"rq", "flask-rq2"},
    "RabbitMQ": {"pika"},
    "Elasticsearch": {"elasticsearch", "elasticsearch-dsl"},
    "SQL Server": {"pyodbc", "pymssql"},
    "Oracle": {"oracledb", "cx-oracle"},
}
DEBIAN = "wants Debian packages, which the image lacks: docs/adopt.md, What if it needs more?"
#: What does not go well with two workers, two replicas, probes by plain HTTP, and an image of Python alone.
UNFIT = {
    "flask-socketio": "keeps each client in one process, and here two workers and two replicas share them",
    "flask-talisman": "redirects plain HTTP, by which probes ask: exempt their views from force_https",
    "flask-sslify": "redirects plain HTTP, by which probes ask: exempt their views",
    "apscheduler": "runs each job in every worker of every replica: run jobs elsewhere",
    "flask-apscheduler": "runs each job in every worker of every replica: run jobs elsewhere",
    "flask-session": "needs a store that all replicas share, such as SQLAlchemy's, not files or memory",
    "flask-limiter": "counts in each worker by itself, unless its storage is one that all share",
    "opencv-python": "needs libGL, which the image lacks: take opencv-python-headless",
} | dict.fromkeys(("weasyprint", "python-magic", "pdf2image", "pytesseract"), DEBIAN)
#: Options of gunicorn that neither project.yaml nor the image's command sets.
OPTION = re.compile(
    r"(?<=[\s\"'])(-[ktc]|--(?:worker-class|timeout|threads|config|preload))(?![\w-])"
)


def find(folder: Path, packages: set[str]) -> Iterator[str]:
    """A line for each thing that the application brings or wants and delivery does not take over."""
    wanted = [name for name, users in ELSEWHERE.items() if users & packages]
    if wanted:
        yield (
            f"not delivered with it: {', '.join(wanted)}; run them elsewhere, and name their addresses in "
            "project.yaml's environment or secrets"
        )
    for package in sorted(UNFIT.keys() & packages):
        yield f"{package} {UNFIT[package]}"
    root = folder.resolve()
    links = [path for path in sorted(folder.rglob("*")) if path.is_symlink()]
    if out := [path for path in links if not path.exists() or root not in path.resolve().parents]:
        names = ", ".join(str(path.relative_to(folder)) for path in out)
        yield f"links that lead to nothing in the image: {names}; put files in their place"
    for name in (".python-version", "runtime.txt"):
        text = (folder / name).read_text("utf-8", "replace") if (folder / name).is_file() else ""
        version = re.search(r"\d+\.\d+", text)
        if version and version[0] != PYTHON:
            yield f"{name} names Python {version[0]}, and the image has {PYTHON}"
    dockerfile = folder / "Dockerfile"
    if dockerfile.is_file() and "apt-get install" in dockerfile.read_text("utf-8", "replace"):
        yield f"the Dockerfile {DEBIAN}"
    procfile = folder / "Procfile"
    if procfile.is_file():
        text = procfile.read_text("utf-8", "replace")
        others = {*re.findall(r"^(\w+):", text, re.M)} - {"web", "release"}
        if others:
            yield f"one container is delivered, Procfile's {', '.join(sorted(others))} is not"
        release = re.findall(r"^release:\s*(.*)", text, re.M)
        if release and not re.search("(db|alembic) upgrade", release[0]):
            yield f"Procfile's release is not run: name it as migrate in project.yaml ({release[0]})"
        web = "".join(re.findall(r"^web:.*gunicorn(.*)", text, re.M))
        if options := list(dict.fromkeys(OPTION.findall(web))):
            yield (
                f"gunicorn's {', '.join(options)} in the Procfile is not taken over: say it in a gunicorn.conf.py "
                "beside it, on the lines of server/gunicorn.conf.py"
            )
