"""What is found out about applications of other people by looking at their files."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.adoption import application, naming
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT

FIXTURES = Path(__file__).with_name("fixtures")
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = "def create_app():\n    return Flask(__name__)\n"


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"requirements.txt": "flask\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("smoke", [[], ["python", "-m", "smoke"]])
def test_an_environment_asks_for_no_smoke_test_that_there_is_not(
    tmp_path: Path, smoke: list[str]
) -> None:
    file = tmp_path / "staging.yaml"
    file.write_text(
        "name: staging\nsmoke: true\ndatabase: {engine: none}\naws: {}\n", encoding="utf-8"
    )
    document = {"database": {"engine": "none"}, "probes": {"ready": "/"}, "smoke": smoke}
    naming._environment(file, "", document)
    assert ("smoke" in YAML(typ="safe").load(file.read_text(encoding="utf-8"))) == bool(smoke)


@pytest.mark.parametrize(
    ("name", "wsgi", "engine", "probe"),
    [
        ("quickstart", "hello:app", "none", "/"),
        ("notes", "app:app", "postgresql", "/"),
        ("library", "library:create_app()", "none", "/health"),
    ],
)
def test_the_three_applications_are_understood(
    name: str, wsgi: str, engine: str, probe: str
) -> None:
    found = application.look(FIXTURES / name)
    assert (found.wsgi, found.database["engine"], found.live) == (wsgi, engine, probe)


@pytest.mark.parametrize(
    ("files", "wsgi"),
    [
        (
            {"wsgi.py": "from shop import create_app\napplication = create_app()\n"},
            "wsgi:application",
        ),
        ({"wsgi.py": "from shop import app\n", "shop/__init__.py": FLASK}, "wsgi:app"),
        ({"shop/__init__.py": FACTORY}, "shop:create_app()"),
        ({"src/shop/__init__.py": "", "src/shop/app.py": FACTORY}, "shop.app:create_app()"),
        ({"shop/__init__.py": "def create_app(config=None): ..."}, "shop:create_app()"),
        (
            {"Procfile": "web: gunicorn --bind 0.0.0.0:$PORT shop.web:server\n", "shop/web.py": ""},
            "shop.web:server",
        ),
        (
            {
                "Procfile": "release: flask db upgrade\nweb: gunicorn -c python:shop.serving 'shop:made(\"x\")'\n",
                "shop.py": "def made(kind): ...\n",
            },
            'shop:made("x")',
        ),
        ({"Procfile": "web: gunicorn --chdir elsewhere other:app\n", "app.py": FLASK}, "app:app"),
        (
            {
                "Dockerfile": 'CMD ["gunicorn", "-b", "0.0.0.0:80", "shop.web:it"]',
                "shop/web.py": "",
            },
            "shop.web:it",
        ),
        ({".flaskenv": "FLASK_APP='shop:make_app()'\n", "shop.py": ""}, "shop:make_app()"),
        ({".flaskenv": "FLASK_APP=shop:create_app\n", "shop.py": FACTORY}, "shop:create_app()"),
        (
            {".flaskenv": "FLASK_APP=shop/web.py\r\n", "app.py": FLASK, "shop/web.py": FLASK},
            "shop.web:app",
        ),
        ({"src/shop/__init__.py": "", "src/shop/web.py": FACTORY}, "shop.web:create_app()"),
        (
            {
                "conftest.py": "import pytest\n@pytest.fixture\ndef app():\n    return Flask('x')\n",
                "core/web/site.py": "def build():\n    app = Flask('x')\n    return app\n",
            },
            "core.web.site:build()",
        ),
        (
            {"shop.py": "if os.environ.get('X'):\n    pass\nelse:\n    app = Flask('x')\n"},
            "shop:app",
        ),
        (
            {
                "run.py": "if __name__ == '__main__':\n    app = create_app()\n",
                "shop/__init__.py": FACTORY,
            },
            "shop:create_app()",
        ),
        ({"app.py": "class Shop(flask.Flask): ...\nshop = Shop('shop')\n"}, "app:shop"),
        ({"anything.py": FLASK, "tests/app.py": FLASK}, "anything:app"),
        ({"app.py": "app = dash.Dash(__name__)\nserver = app.server\n"}, "app:server"),
        ({"app.py": "import flask\nserver: flask.Flask = flask.Flask('x')\n"}, "app:server"),
        ({"app.py": FLASK, "app/__init__.py": FACTORY}, "app:create_app()"),
        ({"app.py": FLASK, "app/__init__.py": "", "shop.py": FLASK}, "shop:app"),
        ({"shop.py": FLASK, "dev/api.py": FLASK, "mock_api.py": FLASK}, "shop:app"),
    ],
)
def test_the_callable_is_found(tmp_path: Path, files: dict[str, str], wsgi: str) -> None:
    assert application.look(written(tmp_path, files)).wsgi == wsgi


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"shop/__init__.py": "def create_app(config): ..."},
            r"shop:create_app\(config\) wants arguments",
        ),
        (
            {"shop.py": FLASK, "portal.py": FLASK},
            "more than one module has a Flask application: portal:app, shop:app",
        ),
        ({"notes.txt": "none"}, "no module has a Flask application"),
        ({"app.py": FLASK, "requirements.txt": "flask\npymysql\n"}, r"MySQL \(pymysql\)"),
        ({"app.py": FLASK, "requirements.txt": "Flask-MySQLdb\n"}, r"MySQL \(flask-mysqldb\)"),
        (
            {"app.py": f"{FLASK}\ntype Row = tuple[int]\n"},
            r"^app\.py, line 4, is no Python 3\.11",
        ),
        ({"app.py": FLASK, "docs/old.py": "print 'two'\n"}, r"^docs/old\.py, line 1"),
        ({"app.py": FLASK, "zero.py": "\0"}, r"^zero\.py, line 1"),
        (
            {"app.py": FLASK, "requirements.txt": "flask\n-e ./own\n"},
            r"names -e \./own, which has no hash",
        ),
        (
            {
                "app.py": FLASK,
                "requirements.txt": "-r all.txt\n",
                "all.txt": "own @ git+https://x/own\n",
            },
            r"names own @ git\+https",
        ),
        (
            {"app.py": FLASK, "pyproject.toml": "[project]\nrequires-python = '>=3.12'\n"},
            r"wants Python >=3\.12",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_way_out(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        application.look(written(tmp_path, files))


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("Pipfile", "[packages]\nflask = '*'\n", "pipenv requirements"),
        (
            "pyproject.toml",
            "[tool.poetry]\nname = 'shop'\n",
            "poetry self add poetry-plugin-export && poetry export --without-hashes",
        ),
        (
            "pyproject.toml",
            "[project]\ndynamic = ['dependencies']\n",
            "pip freeze --exclude-editable",
        ),
    ],
)
def test_a_list_that_has_no_lock_is_refused_with_the_command_that_helps(
    tmp_path: Path, name: str, text: str, command: str
) -> None:
    folder = written(tmp_path, {"app.py": FLASK, name: text})
    (folder / "requirements.txt").unlink()
    with pytest.raises(PipelineError, match="cannot be locked with hashes") as refused:
        application.look(folder)
    assert f"{command} > requirements.txt" in refused.value.next_step


@pytest.mark.parametrize(
    ("packages", "code", "database"),
    [
        ("flask", "", {"engine": "none"}),
        ("flask-sqlalchemy", "uri = 'sqlite:///shop.db'", {"engine": "sqlite"}),
        (
            "Flask-SQLAlchemy\npsycopg[binary]",
            "uri = os.environ['DATABASE_URL']",
            {"engine": "postgresql", "url": "DATABASE_URL", "scheme": "postgresql+psycopg"},
        ),
        (
            "flask_sqlalchemy\npsycopg2-binary==2.9.9",
            "app.config['SQLALCHEMY_DATABASE_URI'] = os.getenv('SQLALCHEMY_DATABASE_URI')",
            {
                "engine": "postgresql",
                "url": "SQLALCHEMY_DATABASE_URI",
                "scheme": "postgresql+psycopg2",
            },
        ),
        (
            "flask-sqlalchemy\npsycopg2",
            "app.config['SQLALCHEMY_DATABASE_URI'] = f'postgresql://{os.environ[\"DB_HOST\"]}/x'\n"
            "user = os.environ.get('DB_USER'), os.environ.get('DB_PASS')",
            {"engine": "postgresql", "host": "DB_HOST", "user": "DB_USER", "password": "DB_PASS"},
        ),
        (
            "flask-sqlalchemy\npsycopg2",
            "app.config.from_prefixed_env()",
            {
                "engine": "postgresql",
                "url": "FLASK_SQLALCHEMY_DATABASE_URI",
                "scheme": "postgresql+psycopg2",
            },
        ),
    ],
)
def test_the_database_and_its_variables_are_found(
    tmp_path: Path, packages: str, code: str, database: dict[str, str]
) -> None:
    folder = written(tmp_path, {"app.py": FLASK + code, "requirements.txt": packages})
    assert application.look(folder).database == database


@pytest.mark.parametrize(
    ("code", "url"),
    [
        ("os.environ.get('SHOP_DATABASE_URL', '')", "SHOP_DATABASE_URL"),
        ("os.getenv('SHOP_DB_URI')", "SHOP_DB_URI"),
        ("os.environ['SHOP_DSN']", "SHOP_DSN"),
        ("os.environ['SENTRY_DSN'], os.environ['DATABASE_URL']", "DATABASE_URL"),
    ],
)
def test_the_address_is_found_under_the_applications_own_name(
    tmp_path: Path, code: str, url: str
) -> None:
    files = {"app.py": f"{FLASK}uri = {code}\n", "requirements.txt": "psycopg[binary]\n"}
    found = application.look(written(tmp_path, files))
    assert (found.database["url"], found.notes) == (url, ())
    assert url not in (*found.secrets, *found.missing)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("uri = 'postgresql://localhost/shop'", "url: DATABASE_URL"),
        ("class Settings(BaseSettings):\n    database_url: str", "url: DATABASE_URL"),
        ("uri = os.environ['SHOP_DB'] + os.environ['CURRENCY']", "url: SHOP_DB"),
    ],
)
def test_an_address_that_is_not_found_is_asked_for(tmp_path: Path, code: str, advice: str) -> None:
    files = {"app.py": f"{FLASK}{code}\n", "requirements.txt": "psycopg[binary]\n"}
    found = application.look(written(tmp_path, files))
    assert [advice in note for note in found.notes] == [True]
    assert "SHOP_DB" not in (*found.secrets, *found.missing)


@pytest.mark.parametrize(
    ("engine", "database"),
    [
        ("none", {"engine": "none"}),
        ("sqlite", {"engine": "sqlite", "url": "DATABASE_URL"}),
        ("postgresql", {"engine": "postgresql", "url": "DATABASE_URL"}),
    ],
)
def test_an_engine_that_is_named_is_taken_instead_of_mysql(
    tmp_path: Path, engine: str, database: dict[str, str]
) -> None:
    code = FLASK + "uri = os.environ['DATABASE_URL']\n"
    folder = written(tmp_path, {"app.py": code, "requirements.txt": "flask\npymysql\n"})
    assert application.look(folder, engine=engine).database == database


def test_the_key_the_folders_and_what_nobody_sets_are_found(tmp_path: Path) -> None:
    code = """
app.secret_key = os.environ["APP_SECRET"]
app.config["UPLOAD_FOLDER"] = "static/uploads"
if not os.path.exists("logs"):
    os.mkdir("logs")
stripe.api_key = os.environ["STRIPE_KEY"]
currency = os.environ["CURRENCY"]
"""
    found = application.look(written(tmp_path, {"app.py": FLASK + code}))
    assert found.signing_key == "APP_SECRET"
    assert found.writable == ("/data", "/app/logs", "/app/static/uploads")
    assert found.secrets == ("STRIPE_KEY",)
    assert found.missing == ("CURRENCY",)


def test_a_folder_with_files_is_not_hidden_by_an_empty_one(tmp_path: Path) -> None:
    code = "for each in ('data', 'logs'):\n    os.makedirs('data')\nos.makedirs('logs')\nopen(app.instance_path)\n"
    files = {"data/countries.json": "{}", "instance/config.py": "", "logs/.gitkeep": ""}
    found = application.look(written(tmp_path, {"app.py": FLASK + code, **files}))
    assert found.writable == ("/data", "/app/logs")
    (note,) = found.notes
    assert note.startswith("/app/instance, /app/data may be written to, and has files")


def test_tests_need_be_no_python_of_the_image_and_another_version_is_said(tmp_path: Path) -> None:
    files = {"tests/data/old.py": "print 'two'\n", "runtime.txt": "python-3.12.1\n"}
    found = application.look(
        written(tmp_path, {"app.py": FLASK, ".python-version": "3.11", **files})
    )
    assert found.notes == ("runtime.txt names Python 3.12, and the image has 3.11",)


def test_the_build_compiles_what_adoption_has_looked_at(tmp_path: Path) -> None:
    command = re.search(
        r"^RUN (python -m compileall .* /code/app) ",
        (ROOT / "Dockerfile").read_text("utf-8"),
        re.M,
    )
    assert command
    written(tmp_path / "code/app", {"app.py": FLASK, "tests/data/old.py": "print 'two'\n"})
    argv = command[1].replace("/code", f"{tmp_path}/code").replace("'", "").split()
    subprocess.run([sys.executable, *argv[1:]], check=True)
    written(tmp_path / "code/app", {"old.py": "print 'two'\n"})
    assert subprocess.run([sys.executable, *argv[1:]], check=False).returncode == 1


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("app.config['SECRET_KEY'] = os.environ.get('SESSION_KEY', 'dev')", "SESSION_KEY"),
        ("app.config.from_mapping(SECRET_KEY=os.getenv('PORTAL_KEY'))", "PORTAL_KEY"),
        ("app.config['JWT_SECRET_KEY'] = os.environ['JWT_SECRET_KEY']", "SECRET_KEY"),
        ("stripe.api_key = os.environ.get('STRIPE_SECRET_KEY')", "SECRET_KEY"),
        ("key = os.environ['PORTAL_SECRET']", "PORTAL_SECRET"),
    ],
)
def test_the_session_key_is_no_secret_of_another_kind(tmp_path: Path, code: str, key: str) -> None:
    code = f"stripe.api_key = os.environ.get('STRIPE_SECRET_KEY')\n{code}\n"
    assert application.look(written(tmp_path, {"app.py": FLASK + code})).signing_key == key


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("python-decouple", "config('{}')\nlimit = config('LIMIT', default=3, cast=int)"),
        ("environs", "env.str('{}')\nlimit = env.int('LIMIT', 3)"),
    ],
)
def test_what_a_reader_of_the_environment_wants_is_found(
    tmp_path: Path, package: str, code: str
) -> None:
    lines = "".join(code.format(name) + "\n" for name in ("APP_SECRET", "MAIL_TOKEN", "CURRENCY"))
    files = {"app.py": FLASK + lines, "requirements.txt": f"flask\n{package}\n"}
    found = application.look(written(tmp_path, files))
    assert found.signing_key == "APP_SECRET"
    assert (found.secrets, found.missing) == (("MAIL_TOKEN",), ("CURRENCY",))


@pytest.mark.parametrize(
    ("files", "migrate"),
    [
        ({"migrations/env.py": ""}, ["flask", "--app", "app:app", "db", "upgrade"]),
        (
            {"shop/db/schema/env.py": "", "shop/db/schema/alembic.ini": ""},
            ["flask", "--app", "app:app", "db", "upgrade", "--directory", "shop/db/schema"],
        ),
        ({"alembic.ini": "", "alembic/env.py": ""}, ["alembic", "upgrade", "head"]),
        ({"shop/env.py": ""}, []),
    ],
)
def test_migrations_are_found_in_their_folder(
    tmp_path: Path, files: dict[str, str], migrate: list[str]
) -> None:
    folder = written(
        tmp_path, {"app.py": FLASK, "requirements.txt": "flask-migrate\npsycopg2-binary", **files}
    )
    assert list(application.look(folder).migrate) == migrate


def test_the_instance_folder_keeps_an_sqlite_file(tmp_path: Path) -> None:
    files = {"app.py": FLASK + "uri = 'sqlite:///shop.db'", "requirements.txt": "flask-sqlalchemy"}
    assert application.look(written(tmp_path, files)).writable == ("/app/instance", "/data")


def test_a_callable_that_is_named_is_looked_at(tmp_path: Path) -> None:
    folder = written(tmp_path, {"src/shop/web.py": FACTORY, "src/shop/__init__.py": ""})
    assert application.look(folder, "shop.web:create_app").wsgi == "shop.web:create_app()"
    with pytest.raises(PipelineError, match=r"has no module shop\.wbe"):
        application.look(folder, "shop.wbe:create_app()")
    assert application.look(folder, "shop.web:create_app").notes == ()
    assert application.look(folder, "portal:app").notes == (
        "no file here is portal: a package has to bring it",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Procfile", "web: gunicorn --chdir backend app:app\n"),
        ("Procfile", "web: gunicorn --pythonpath=./backend app:app\n"),
        ("Procfile", "web: cd backend && gunicorn app:app\n"),
        ("Dockerfile", 'CMD ["gunicorn", "--chdir", "backend", "app:app"]\n'),
    ],
)
def test_imports_start_where_gunicorn_is_told_to(tmp_path: Path, name: str, text: str) -> None:
    found = application.look(written(tmp_path, {"backend/app.py": FLASK, name: text}))
    assert (found.wsgi, found.python_path) == ("app:app", ("backend",))


@pytest.mark.parametrize(
    ("path", "noted"), [("database.db", True), ("/data/a.db", False), (":memory:", False)]
)
def test_an_sqlite_file_beside_the_code_is_said(tmp_path: Path, path: str, noted: bool) -> None:
    code = f"import os, sqlite3\n{FLASK}db = sqlite3.connect('{path}')\n"
    found = application.look(written(tmp_path, {"app.py": code}))
    assert found.database == {"engine": "sqlite"}
    assert len(found.notes) == noted
    assert all("open /data/database.db" in note for note in found.notes)


def test_what_the_image_lacks_or_does_not_run_is_said(tmp_path: Path) -> None:
    files = {
        "app.py": f"{FLASK}app.config.from_envvar('SETTINGS')\n",
        "requirements.txt": "apscheduler\nflask-limiter\nopencv-python\nweasyprint\n",
        "Dockerfile": "RUN apt-get install -y libpango-1.0-0\n",
        "Procfile": "release: python seed.py\n",
    }
    found = application.look(written(tmp_path, files)).notes
    assert [note.split()[0] for note in found] == [
        *("apscheduler", "flask-limiter", "opencv-python", "weasyprint"),
        *("the", "Procfile's", "from_envvar"),
    ]


def test_a_package_of_the_name_src_is_no_folder_of_modules(tmp_path: Path) -> None:
    code = f"from .models import db\n{FLASK}uri = 'sqlite:///shop.db'\n"
    files = {"src/__init__.py": "", "src/app.py": code, "requirements.txt": "flask-sqlalchemy"}
    found = application.look(written(tmp_path, files))
    assert (found.wsgi, found.python_path) == ("src.app:app", ())
    assert found.writable == ("/app/instance", "/data")


@pytest.mark.parametrize(
    ("packages", "procfile", "notes"),
    [
        (
            "flask\ngunicorn\n",
            "web: gunicorn -w 4 -b :$PORT app:app\nrelease: flask db upgrade\n",
            [],
        ),
        (
            "Flask-PyMongo\nredis\n",
            "",
            ["not delivered with it: MongoDB, Redis; run them elsewhere"],
        ),
        (
            "Flask-SocketIO\nFlask-Talisman\n",
            "",
            ["flask-socketio keeps", "flask-talisman redirects"],
        ),
        (
            "celery\n",
            "web: gunicorn --worker-class gevent --timeout=90 app:app\nworker: celery -A app worker\n",
            [
                "not delivered with it: Celery's workers",
                "one container is delivered, Procfile's worker is not",
                "gunicorn's --worker-class, --timeout in the Procfile is not taken over",
            ],
        ),
    ],
)
def test_what_is_not_delivered_with_it_is_said(
    tmp_path: Path, packages: str, procfile: str, notes: list[str]
) -> None:
    files = {"app.py": FLASK, "requirements.txt": packages, "Procfile": procfile}
    found = application.look(written(tmp_path, files)).notes
    assert len(found) == len(notes)
    assert all(map(str.startswith, found, notes))


@pytest.mark.parametrize(
    ("driver", "scheme", "noted"),
    [
        ("psycopg2-binary", "postgresql", True),
        ("psycopg2-binary", "postgresql+psycopg2", False),
        ("psycopg[binary]", "postgresql", False),
    ],
)
def test_an_address_that_leads_sqlalchemy_to_a_driver_that_is_not_there_is_said(
    tmp_path: Path, driver: str, scheme: str, noted: bool
) -> None:
    code = f"uri = f\"{scheme}://{{os.environ['DB_USER']}}@{{os.environ['DB_HOST']}}/shop\"\n"
    files = {"app.py": FLASK + code, "requirements.txt": f"sqlalchemy\n{driver}\n"}
    notes = application.look(written(tmp_path, files)).notes
    assert any("SQLAlchemy 2.1 takes psycopg" in note for note in notes) == noted


def test_the_application_is_an_argument() -> None:
    subprocess.run([ROOT / "inv", "adopt", "../shop", "--help"], check=True)


BLUEPRINT = "from flask import Blueprint\nbp = Blueprint('b', __name__)\n@bp.route('/{}')\n{}def view(): ..."


@pytest.mark.parametrize(
    ("files", "probe"),
    [
        (
            {
                "shop/pages.py": BLUEPRINT.format("status", "").replace(
                    "__name__", "'x', url_prefix='/shop'"
                )
            },
            "/shop/status",
        ),
        (
            {
                "shop/auth.py": BLUEPRINT.format("register", ""),
                "shop/pages.py": BLUEPRINT.format("zoo", ""),
                "main.py": "from shop import auth\napp.register_blueprint(auth.bp, url_prefix='/auth')",
            },
            "/auth/register",
        ),
        (
            {
                "shop/auth/__init__.py": "from .routes import bp",
                "shop/auth/routes.py": BLUEPRINT.format("login", ""),
                "shop/main/routes.py": BLUEPRINT.format("index", "@login_required\n"),
                "main.py": "from shop.auth import bp as auth\napp.register_blueprint(auth, url_prefix='/auth')",
            },
            "/auth/login",
        ),
        (
            {
                "pages.py": "@app.get('/about')\n@app.route('/add', methods=['POST'])\ndef view(): ..."
            },
            "/about",
        ),
        (
            {
                "shop/health/views.py": BLUEPRINT.format("", ""),
                "shop/basket/views.py": BLUEPRINT.format("", ""),
                "main.py": "from shop.health.views import bp as health\nfrom shop.basket.views import bp as basket\n"
                "app.register_blueprint(basket, url_prefix='/a')\n"
                "app.register_blueprint(health, url_prefix='/api/health')\n",
            },
            "/api/health/",
        ),
        (
            {
                "pages.py": "@app.route('/')\ndef index():\n    return redirect('/login')\n"
                "@app.route('/login', methods=['GET', 'POST'])\ndef login():\n    return redirect('/')\n"
            },
            "/login",
        ),
        ({"pages.py": "@app.route('/')\ndef view(): ...\n@app.get('/zoo')\ndef zoo(): ..."}, "/"),
        ({"pages.py": "app.add_url_rule('/_health', view_func=lambda: 'ok')"}, "/_health"),
        (
            {
                "views.py": "class Ping(Resource):\n    def get(self): ...\n"
                "class Items(Resource):\n    decorators = [jwt_required()]\n    def get(self): ...\n",
                "main.py": "from views import Items, Ping\napi = Api(app, prefix='/v1')\n"
                "api.add_resource(Items, '/health')\napi.add_resource(Ping, '/internal/ping', '/pings')",
            },
            "/v1/internal/ping",
        ),
        (
            {
                "apis/cats.py": "api = Namespace('cats')\n@api.route('/all')\nclass Cats(V):\n    def get(self): ...",
                "main.py": "from apis.cats import api as cats\nbp = Blueprint('b', 'b', url_prefix='/api')\n"
                "api = Api(bp)\napi.add_namespace(cats)\napp.register_blueprint(bp)",
            },
            "/api/cats/all",
        ),
        (
            {
                "views.py": "blp = Blueprint('pets', 'pets', url_prefix='/pets')\n@blp.route('/new')\n"
                "class New(MethodView):\n    def post(self): ...\n@blp.route('/old')\n"
                "class Old(MethodView):\n    def get(self): ..."
            },
            "/pets/old",
        ),
    ],
)
def test_the_probe_is_a_page_for_everybody(
    tmp_path: Path, files: dict[str, str], probe: str
) -> None:
    assert application.look(written(tmp_path, {"app.py": FLASK, **files})).live == probe


def routes(*paths: str, before: str = "") -> str:
    views = [f"@app.get('{each}')\n{before}def view{n}(): ...\n" for n, each in enumerate(paths)]
    return FLASK + "".join(views)


@pytest.mark.parametrize(
    ("code", "probe", "noted"),
    [
        (routes("/admin/reset-demo-data", "/auth/logout", "/cron/send"), "/", True),
        (routes("/about", "/admin"), "/about", True),
        (routes("/about", before="@requires_role('any')\n"), "/", True),
        (routes("/about", before="@auth.login_required\n"), "/", True),
        (routes("/", "/shop/healthz", before="@api.doc('all')\n"), "/shop/healthz", False),
        (routes("/about", before="@limiter.limit('9/hour')\n@cache.cached(9)\n"), "/about", True),
        (routes("/about", before="@app.post('/ask')\n"), "/about", True),
        (routes("/", "/scores/live", "/api/kitchen/orders/ready"), "/", False),
        (routes("/", "/api/v1/health/live"), "/api/v1/health/live", False),
        (
            f"{FLASK}bp = Blueprint('b', 'b', url_prefix=PREFIX)\n@bp.get('/health')\ndef h(): ...\n"
            "@app.get('/zoo')\ndef zoo(): ...\n",
            "/zoo",
            True,
        ),
    ],
)
def test_no_page_that_does_something_or_may_refuse_is_probed(
    tmp_path: Path, code: str, probe: str, noted: bool
) -> None:
    found = application.look(written(tmp_path, {"app.py": code}))
    assert (found.live, found.ready) == (probe, probe)
    notes = [f"no health route was found, the probes ask {probe}: add one, such as /healthz"]
    assert [*found.notes] == notes * noted


@pytest.mark.parametrize(
    ("code", "noted"),
    [
        (
            "@app.before_request\ndef check():\n    if not g.user:\n        return redirect('/login')",
            True,
        ),
        ("@bp.before_app_request\ndef check():\n    abort(401)", True),
        ("@app.before_request\n@login_required\ndef check(): ...", True),
        ("@app.before_request\ndef load():\n    g.user = user()", False),
    ],
)
def test_what_may_turn_every_request_away_is_said(tmp_path: Path, code: str, noted: bool) -> None:
    found = application.look(written(tmp_path, {"app.py": f"{routes('/')}{code}\n"}))
    assert len(found.notes) == noted
    assert all(map(re.compile("before_request in app.py may turn").match, found.notes))


def test_life_and_readiness_are_probed_where_each_has_its_path(tmp_path: Path) -> None:
    code = FLASK + "".join(
        f"@app.get('/health/{name}')\ndef {name}(): ...\n" for name in ("ready", "live")
    )
    found = application.look(written(tmp_path, {"app.py": code}))
    assert (found.live, found.ready) == ("/health/live", "/health/ready")


@pytest.mark.parametrize(
    ("engine", "canary"),
    [("postgresql", {"enabled": True, "seconds": 120, "metrics": ""}), ("sqlite", None)],
)
def test_a_canary_is_judged_without_metrics_and_not_made_of_one_pod(
    engine: str, canary: dict[str, Any] | None, tmp_path: Path
) -> None:
    file = tmp_path / "production.yaml"
    state = "name: production\nreplicaCount: 3\naws: {}\ncanary:\n  enabled: true\n  seconds: 120\n"
    file.write_text(state, encoding="utf-8")
    document = {"probes": {"ready": "/"}, "database": {"engine": engine}}
    for _ in range(2):  # the same again changes nothing
        naming._environment(file, "", document)
        assert YAML(typ="safe").load(file).get("canary") == canary
