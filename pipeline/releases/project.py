"""The application that this repository delivers, as ``project.yaml`` names it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git

FILE = ROOT / "project.yaml"
ENGINES = ("postgresql", "sqlite", "none")
#: What a database's address has, each with a variable of the application's choice.
PARTS = ("url", "scheme", "host", "port", "name", "user", "password")
#: Who signs images: a key in AWS KMS, a key pair of files, or the workflow's identity (docs/supply-chain.md).
SIGNERS = ("kms", "key", "keyless")
#: A label of DNS, as Kubernetes and the load balancer want it, without two hyphens in a row, as ECR does.
NAME = re.compile(r"(?!.*--|internal-)[a-z][a-z0-9-]{0,16}[a-z0-9]")
DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Probes:
    """Paths that answer whether the application lives, is ready, and (empty: it has none) which version it is."""

    live: str
    ready: str
    version: str = ""


@dataclass(frozen=True)
class Database:
    """The engine, the one under Compose, and the variables that the application reads (``scheme``: of its URL)."""

    engine: str = "none"
    development: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def assignments(self) -> str:
        """The variables as ``DATABASE_VARIABLES`` of ``server/start.py`` has them: ``url=NAME host=NAME``."""
        return " ".join(f"{part}={name}" for part, name in self.variables.items())


@dataclass(frozen=True)
class Signing:
    """Who signs images, and the file in the repository with the public half of a key pair (``key`` alone)."""

    by: str = "kms"
    public: str = "signing.pub"


@dataclass(frozen=True)
class Previews:
    """Previews of pull requests: where one answers (below ``domain``; empty: nowhere), and the path to look at first.

    ``days`` without a push until one goes; ``seed`` is the command line that fills one with made-up data.
    """

    domain: str = ""
    path: str = "/"
    days: int = 7
    seed: tuple[str, ...] = ()

    def host(self, number: int | str) -> str:
        """The host of a pull request's preview; empty without a domain."""
        return f"pr-{number}.{self.domain}" if self.domain else ""


@dataclass(frozen=True)
class Project:
    """The fields of ``project.yaml``; ``migrate`` and ``smoke`` are command lines, empty where there is none.

    ``writable`` are absolute folders in the container, ``python_path`` folders of ``app/`` that imports start at.
    """

    name: str
    title: str
    image: str
    wsgi: str
    port: int
    probes: Probes
    database: Database
    migrate: tuple[str, ...] = ()
    smoke: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    writable: tuple[str, ...] = ("/data",)
    signing_key: str = "SECRET_KEY"
    signing: Signing = Signing()
    previews: Previews = Previews()
    checked: bool = False
    delivery: str = ""


def load(file: Path = FILE) -> Project:
    """Reads a project file; raises PipelineError where it is missing, not YAML, or breaks the contract."""
    try:
        return parse(YAML(typ="safe").load(file.read_text(encoding="utf-8")))
    except (OSError, YAMLError, KeyError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{file.name} cannot be used: {' '.join(str(error).split())}",
            next_step="compare it with docs/reference/project.md",
        ) from error


def parse(raw: Mapping[str, Any]) -> Project:
    """The project of a file's content; raises KeyError, TypeError or ValueError where it breaks the contract."""
    database = dict(raw["database"])
    engine = database.pop("engine")
    development = database.pop("development", engine)
    lists = ("migrate", "smoke", "python_path", "writable", "secrets")
    if unknown := {*raw} - {*Project.__dataclass_fields__}:
        raise ValueError(f"it has no {', '.join(sorted(unknown))}")
    project = Project(
        **{
            **raw,
            "probes": Probes(**raw["probes"]),
            "database": Database(engine, development, database),
            "signing": Signing(**raw.get("signing", {})),
            "previews": _previews(**raw.get("previews", {})),
            **{name: tuple(raw[name]) for name in lists if name in raw},
        }
    )
    checks = {
        "name must be 2 to 18 lower-case letters, digits or single hyphens between, not internal-…": NAME.fullmatch(
            project.name
        ),
        "wsgi must be module:callable": re.fullmatch(r"[\w.]+:\w+(\(.*\))?", project.wsgi),
        "port must be from 1024 to 65535: the application is not root": (
            project.port in range(1024, 65536)
        ),
        "probes must be paths that start with /": all(
            path.startswith("/") for path in vars(project.probes).values() if path
        ),
        f"database.engine must be one of {', '.join(ENGINES)}": {engine, development}
        <= set(ENGINES),
        f"database may name variables for {', '.join(PARTS)}": set(database) <= set(PARTS),
        "variables must be names": all(
            VARIABLE.fullmatch(name)
            for name in (
                project.signing_key,
                *project.environment,
                *project.secrets,
                *(value for part, value in database.items() if part != "scheme"),
            )
        ),
        f"signing.by must be one of {', '.join(SIGNERS)}": project.signing.by in SIGNERS,
        "signing.public must be the path of a file in the repository": (
            bool(project.signing.public)
            and not Path(project.signing.public).is_absolute()
            and ".." not in Path(project.signing.public).parts
        ),
        "previews.domain must be the name of a domain, without pr-NUMBER": (
            not project.previews.domain or DOMAIN.fullmatch(project.previews.domain)
        ),
        "previews.path must start with /": project.previews.path.startswith("/"),
        "previews.days must be a whole number, 1 or more": (
            type(project.previews.days) is int and project.previews.days > 0
        ),
        "previews.seed needs postgresql": engine == "postgresql" or not project.previews.seed,
        "writable must begin with /data: the SQLite file is kept in the first folder, and its address names that one": (
            engine != "sqlite" or "url" not in database or project.writable[:1] == ("/data",)
        ),
        "migrate needs a database": engine != "none" or not project.migrate,
        "writable must be absolute folders": all(path[0] == "/" for path in project.writable),
    }
    if failed := [text for text, passed in checks.items() if not passed]:
        raise ValueError("; ".join(failed))
    return project


def _previews(seed: Sequence[str] = (), **fields: Any) -> Previews:
    return Previews(seed=tuple(seed), **fields)


@cache
def project() -> Project:
    return load()


@cache
def at(revision: str | None) -> Project:
    """The project of a promoted revision, else of the work tree; raises CommandFailedError without the commit."""
    return parse(YAML(typ="safe").load(git.show(revision, FILE.name))) if revision else project()
