"""Finds out how a Flask application is served, migrated and probed, by looking at its files; runs none of its code."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.adoption import callables, probes
from pipeline.adoption import notes as hints
from pipeline.adoption import packages as lists
from pipeline.core.errors import PipelineError

MIGRATIONS = "migrations"
SKIPPED = {"tests", "test", "migrations", "venv", ".venv", "node_modules", "docs", ".git"}
#: Variables of a database's address, as tutorials and platforms name them. ``SQLALCHEMY_DATABASE_URI`` is a setting of
#: Flask-SQLAlchemy as well: it counts where the environment is read, and so do names with the application's own.
URLS = (
    r"""["'](DATABASE_URL|DATABASE_URI|POSTGRES_URL|DB_URL|DB_URI)["']""",
    r"""(?:environ|getenv)\W+(?:get\W+)?"""
    r"""((?!\w*(?:TEST|MONGO|REDIS|SENTRY))\w*(?:(?:DATABASE|DB|POSTGRES)_UR[LI]|_DSN))\b""",
)
#: Variables that may be such an address under a name that says less: nobody should write one into ``project.yaml``.
ADDRESS = re.compile(r"(?:^|_)(?:DB|DATABASE|POSTGRES|PG|DSN)(?:_|$)")
PART = r"""["']((?:DB|DATABASE|POSTGRES|POSTGRESQL|PG|RDS)_?(?:{}))["']"""
PARTS = {
    "host": "HOST|HOSTNAME|SERVER",
    "port": "PORT",
    "name": "NAME|DB|DB_NAME|DATABASE",
    "user": "USER|USERNAME",
    "password": "PASSWORD|PASS",
}
#: Folders that it makes, or takes files into, beside its code.
FOLDER = re.compile(
    r"""(?:mkdir\(|makedirs\(|UPLOAD_FOLDER["'\]]*\s*=)\s*["'](?:\./)?(\w[\w/-]*)["']"""
)
#: Environment readers of python-decouple and environs, with what follows the name.
READER = re.compile(r"""\b(?:config|env(?:\.\w+)?)\(\s*["'](\w+)["'](?=\s*[,)])([^\n)]*)""")
READERS = {"python-decouple", "environs", "django-environ"}
SECRET = re.compile(r"""(?:environ|getenv)\W+(?:get\W+)?(\w*SECRET(?:_KEY)?)\b""")
#: What the session key is read from, and secrets of others that are none.
KEYED = re.compile(
    r"""(?<!\w)secret_key["']?\]?\s*[=:][^\n]*?(?:environ|getenv)\W+(?:get\W+)?(\w+)""", re.I
)
FOREIGN = re.compile("API|AWS|CLIENT|GITHUB|GOOGLE|JWT|OAUTH|STRIPE|WEBHOOK")
REQUIRED = re.compile(r"""environ\[["'](\w+)["']\]""")
SECRETIVE = re.compile("KEY|TOKEN|SECRET|PASS|DSN|CREDENTIAL")
#: What every container gets (docs/reference/project.md).
GIVEN = {"PORT", "ENVIRONMENT", "SECRET_KEY", "IMAGE_DIGEST", "APP_VERSION", "GIT_COMMIT"}
SQLITE = re.compile(r"^\s*(?:import|from)\s.*\bsqlite3\b", re.M)
#: Opened by a path beside the code, which cannot be written.
FILE = re.compile(r"""sqlite3\.connect\(\s*["'](?![/:]|file:)([^"']+)""")
INSTANCE = re.compile(r"instance_path|instance_relative_config|sqlite:///\w")
MYSQL = {
    *("pymysql", "mysqlclient", "mysql-connector-python", "mariadb", "aiomysql", "asyncmy"),
    *("flask-mysqldb", "flask-mysql"),
}
SQLALCHEMY = {"flask-sqlalchemy", "sqlalchemy", "flask-migrate"}
#: PostgreSQL's drivers by package. SQLAlchemy wants them named: its default has changed from 2.0 to 2.1.
DRIVERS = {
    "psycopg2": "psycopg2",
    "psycopg2-binary": "psycopg2",
    "psycopg": "psycopg",
    "pg8000": "pg8000",
    "asyncpg": "asyncpg",
}


@dataclass(frozen=True)
class Application:
    """What was found, as ``project.yaml`` names it.

    ``requirements`` is the file to lock; ``missing`` are variables that it wants and nobody sets; ``notes`` say what
    may keep it from running, a line each.
    """

    wsgi: str
    requirements: Path
    database: Mapping[str, str]
    migrate: tuple[str, ...]
    live: str
    ready: str
    python_path: tuple[str, ...]
    writable: tuple[str, ...]
    signing_key: str
    secrets: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def look(folder: Path, wsgi: str | None = None, engine: str | None = None) -> Application:
    """Looks at the application in a folder; ``wsgi`` and ``engine`` of its database spare the search for them.

    Raises PipelineError where no list of requirements can be locked, or no callable was found.
    """
    requirements, packages = lists.declared(folder)
    _require_compilable(folder)
    sources = [
        path
        for path in sorted(folder.rglob("*.py"))
        if path.is_file() and not SKIPPED & {*path.relative_to(folder).parts}
    ]
    source = any(folder.glob("src/*/__init__.py")) or any(folder.glob("src/*.py"))
    package = (folder / "src" / "__init__.py").exists()  # its modules are src.…
    own = ["src"] if source and not package else []
    python_path = (*dict.fromkeys([*own, *callables.folders(folder)]),)
    roots = [folder, *(folder / name for name in python_path)]
    wsgi = callables.require(roots, wsgi) if wsgi else callables.find(folder, roots, sources)
    notes = [*hints.find(folder, packages)]
    if requirements.name == "pyproject.toml":
        notes += lists.unread(folder)
    if not callables.has(roots, wsgi):
        notes.append(f"no file here is {wsgi.partition(':')[0]}: a package has to bring it")
    texts = {path: path.read_text("utf-8-sig", "replace") for path in sources}
    text = "\n".join(texts.values())
    if READERS & packages:
        text = READER.sub(_read, text)
    database = _database(text, packages, engine)
    plain = re.search(r"postgresql://[^\n]*[{%]", text) and "url" not in database
    if plain and SQLALCHEMY & packages and not {"psycopg", "asyncpg"} & packages:
        notes.append(
            "SQLAlchemy 2.1 takes psycopg for postgresql://, which the packages lack: write postgresql+psycopg2://, or "
            "name sqlalchemy<2.1"
        )
    if file := FILE.search(text):
        notes.append(
            f"sqlite3 opens {file[1]} beside the code, which cannot be written: open /data/{Path(file[1]).name}"
        )
    if "from_envvar(" in text:
        notes.append(
            "from_envvar reads a file: commit it, and name it in project.yaml's environment"
        )
    live, ready, more = probes.find(texts)
    notes += more
    signing_key = _signing_key(text)
    wanted = {*REQUIRED.findall(text)} - {*GIVEN, signing_key, *database.values()}
    if database["engine"] == "postgresql" and not {"url", "host"} & {*database}:
        addresses = sorted(filter(ADDRESS.search, wanted))
        wanted -= {*addresses}
        notes.append(
            "PostgreSQL's address was not found: name the variable that the code reads in project.yaml, database: "
            f"{{url: {' or '.join(addresses) or 'DATABASE_URL'}}}"
        )
    secrets = {name for name in wanted if SECRETIVE.search(name)}
    writable = _writable(text, database, python_path)
    # A file with a dot first, such as .gitkeep, is there to keep the folder.
    places = {each: folder / each.removeprefix("/app/") for each in writable if each != "/data"}
    filled = [each for each, place in places.items() if any(place.rglob("[!.]*"))]
    if filled:
        notes.append(
            f"{', '.join(filled)} may be written to, and has files, which an empty folder would hide: write to another "
            "one, and name that in project.yaml's writable"
        )
    return Application(
        wsgi=wsgi,
        requirements=requirements,
        database=database,
        migrate=_migrate(folder, packages, wsgi) if database["engine"] != "none" else (),
        live=live,
        ready=ready,
        python_path=python_path,
        writable=tuple(each for each in writable if each not in filled),
        signing_key=signing_key,
        secrets=tuple(sorted(secrets)),
        missing=tuple(sorted(wanted - secrets)),
        notes=tuple(notes),
    )


def _require_compilable(folder: Path) -> None:
    """Raises PipelineError for a file that the image's build could not compile; it leaves folders of tests alone."""
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder)
        if not path.is_file() or {"tests", "test"} & {*name.parts[:-1]}:
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                compile(path.read_bytes(), str(name), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            raise PipelineError(
                f"{name}, line {line}, is no Python {lists.PYTHON}, which the image has: {error.args[0]}",
                next_step="correct the file, or delete it where nothing imports it, and adopt again",
            ) from error


def _database(text: str, packages: set[str], engine: str | None) -> dict[str, str]:
    """The database block of ``project.yaml``."""
    if engine == "none":
        return {"engine": engine}
    driver = next((driver for package, driver in DRIVERS.items() if package in packages), "")
    if (mysql := MYSQL & packages) and not (driver or engine):
        raise PipelineError(
            f"the application uses MySQL ({', '.join(sorted(mysql))}), which is not delivered",
            next_step="give it PostgreSQL's driver (psycopg), or adopt it without its database: --database none",
        )
    sqlalchemy = SQLALCHEMY & packages
    if not (engine or driver or sqlalchemy or "peewee" in packages or SQLITE.search(text)):
        return {"engine": "none"}
    database = {"engine": engine or ("postgresql" if driver else "sqlite")}
    matches = (re.search(pattern, text) for pattern in URLS)
    url = next((match[1] for match in matches if match), "")
    if not url and "from_prefixed_env()" in text and "flask-sqlalchemy" in packages:
        url = "FLASK_SQLALCHEMY_DATABASE_URI"
    if url:
        scheme = {"scheme": f"postgresql+{driver}"} if driver and sqlalchemy else {}
        return database | {"url": url} | scheme
    for part, names in PARTS.items():
        if match := re.search(PART.format(names), text):
            database[part] = str(match[1])
    return database


def _writable(
    text: str, database: Mapping[str, str], python_path: Sequence[str]
) -> tuple[str, ...]:
    """``/data`` and Flask's instance folder where it is used; the first one keeps an SQLite file."""
    folders = ["/data", *(f"/app/{name}" for name in sorted(set(FOLDER.findall(text))))]
    if INSTANCE.search(text):
        file = database["engine"] == "sqlite" and "url" not in database
        folders.insert(0 if file else 1, "/".join(["/app", *python_path, "instance"]))
    return tuple(dict.fromkeys(folders))


def _signing_key(text: str) -> str:
    names = [*KEYED.findall(text), *(n for n in SECRET.findall(text) if not FOREIGN.search(n))]
    prefixed = "FLASK_SECRET_KEY" if "from_prefixed_env()" in text else "SECRET_KEY"
    return "SECRET_KEY" if "SECRET_KEY" in names else str(next(iter(names), prefixed))


def _read(match: re.Match[str]) -> str:
    """A variable's reading as ``os.environ`` writes it: with a default it need not be set."""
    name, rest = match.groups()
    optional = re.search(r"default|^\s*,\s*(?!cast)[^=]*$", rest)
    return f'os.environ.get("{name}"' if optional else f'os.environ["{name}"]'


def _migrate(folder: Path, packages: set[str], wsgi: str) -> tuple[str, ...]:
    """The command that migrates the database; empty where no migrations were found."""
    if "flask-migrate" in packages:
        found = [path.parent.relative_to(folder) for path in sorted(folder.rglob("env.py"))]
        own = [path for path in found if (folder / path / "alembic.ini").is_file()]
        if directory := str(
            next(iter([path for path in found if str(path) == MIGRATIONS] + own), "")
        ):
            option = () if directory == MIGRATIONS else ("--directory", directory)
            return ("flask", "--app", wsgi, "db", "upgrade", *option)
    return ("alembic", "upgrade", "head") if (folder / "alembic.ini").exists() else ()
