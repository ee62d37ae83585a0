"""Which list of packages an application has, and how each kind of list is read."""

from pathlib import Path

import pytest

from pipeline.adoption import application, packages
from pipeline.core.errors import PipelineError

LOCKED = (
    "flask==3.1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via -r requirements.in\n"
)


def written(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf# packages\r\nFlask[async]==3.1.0\r\nrequests [socks] >= 2.31 # http\r\n",
        "flask==3.1.0\r\nrequests==2.32.3\r\n".encode("utf-16"),
        LOCKED + "requests==2.32.3 --hash=sha256:cc\n",
        "--extra-index-url https://example.org/simple\n-c limits.txt\nflask\n# psycopg\nrequests\n",
        "flask\nrequests\npymysql; python_version < '3.8'\npywin32; sys_platform == 'win32'\n",
    ],
)
def test_a_list_is_read_in_each_form_that_tools_write(tmp_path: Path, content: bytes | str) -> None:
    folder = written(tmp_path, {"requirements.txt": content})
    assert packages.declared(folder)[1] == {"flask", "requests"}


@pytest.mark.parametrize(
    ("files", "cause", "next_step"),
    [
        ({"requirements.txt": "-r base.txt\n"}, "includes base.txt, which is not there", "commit"),
        (
            {"requirements.txt": "-r base.txt\n", "base.txt": "-r requirements.txt\nflask\n"},
            "includes requirements.txt in a circle",
            "from base.txt",
        ),
        ({"requirements.txt": "flask\n<<<<<<< HEAD\n"}, "requirements.txt cannot be read", "line"),
        ({"requirements.txt": "flask; python_version >= '3.12'\n"}, "no package for", "markers"),
        ({"requirements.txt": "-e .\n"}, "names -e ., which has no hash", "setup.py or setup.cfg"),
        ({"requirements.txt": "flask\n./vendor/own\n"}, r"names \./vendor/own", "its code beside"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml is not TOML", "correct it"),
        (
            {
                "pyproject.toml": "[project]\ndependencies = ['flask', 'Our_Common']\n"
                "[tool.uv.sources]\nflask = {index = 'pypi'}\nour-common = {path = 'libs/common'}\n"
            },
            r"names our-common in tool\.uv\.sources, which has no hash",
            "put its code beside",
        ),
        (
            {
                "pyproject.toml": "[tool.ruff]\n",
                "services/api/requirements.txt": "flask\n",
                "web/package.json": "{}",
            },
            "lists no packages; services/api below it does",
            "adopt CLONE/services/api",
        ),
        (
            {"pyproject.toml": "[project]\nrequires-python = '^3.11'\n"},
            "names no versions of Python",
            "requires-python as >=",
        ),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_a_way_out(
    tmp_path: Path, files: dict[str, bytes | str], cause: str, next_step: str
) -> None:
    with pytest.raises(PipelineError, match=cause) as refused:
        packages.declared(written(tmp_path, files))
    assert next_step in refused.value.next_step


def test_of_lists_for_each_environment_that_of_production_is_taken(tmp_path: Path) -> None:
    files = {
        "common.txt": "flask\n",
        "production.txt": "-r common.txt\ngunicorn\n",
        "dev.txt": "x\n",
    }
    folder = written(tmp_path, {f"requirements/{name}": text for name, text in files.items()})
    assert packages.declared(folder) == (
        folder / "requirements/production.txt",
        {"flask", "gunicorn"},
    )


@pytest.mark.parametrize("python", ["^3.10", "~3.11", "3.11.*", "*", ">=3.9,<4.0", "^2.7 || ^3.8"])
def test_poetry_admits_the_python_of_the_image(tmp_path: Path, python: str) -> None:
    table = f"[tool.poetry.dependencies]\npython = '{python}'\n"
    folder = written(tmp_path, {"pyproject.toml": table, "requirements.txt": "flask\n"})
    assert packages.declared(folder)[1] == {"flask"}


@pytest.mark.parametrize("python", ["^3.12", "~3.10", "3.12.*", "^3.12 || ^4.0"])
def test_poetry_excludes_the_python_of_the_image(tmp_path: Path, python: str) -> None:
    table = f"[tool.poetry.dependencies]\npython = '{python}'\n"
    folder = written(tmp_path, {"pyproject.toml": table, "requirements.txt": "flask\n"})
    with pytest.raises(PipelineError, match=r"wants Python .*, and the image has 3\.11"):
        packages.declared(folder)


def test_what_no_lock_is_made_of_is_named(tmp_path: Path) -> None:
    extras = "[project.optional-dependencies]\nprod = ['gunicorn', 'psycopg']\ntest = ['pytest']\n"
    files: dict[str, bytes | str] = {
        "pyproject.toml": f"[project]\ndependencies = ['flask']\n{extras}",
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "uv.lock": "",
    }
    folder = written(tmp_path, files)
    extra, lock = application.look(folder).notes
    assert extra.endswith(
        "extra prod is left out: name in dependencies what runs of gunicorn, psycopg"
    )
    assert "uv export --no-dev --no-emit-project --no-hashes > requirements.txt" in lock
    written(folder, {"requirements.txt": "flask\n"})
    assert application.look(folder).notes == ()
