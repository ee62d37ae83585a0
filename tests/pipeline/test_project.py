"""The contract of project.yaml: what it refuses, where it is written, and what the image gives the application."""

import json
import runpy
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ruamel.yaml import YAML

from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHART, ROOT
from pipeline.git import repository as git
from pipeline.releases import environments, written
from pipeline.releases import project as projects
from pipeline.releases.project import Previews, Signing
from server import start

MINIMUM: dict[str, Any] = {
    "name": "shop",
    "title": "Shop",
    "image": "shop",
    "wsgi": "app:app",
    "port": 5000,
    "probes": {"live": "/", "ready": "/"},
    "database": {"engine": "none"},
}
PARTS = {
    "DATABASE_HOST": "db.example.org",
    "DATABASE_NAME": "shop",
    "DATABASE_USER": "clerk",
    "DATABASE_PASSWORD": "a/b:c@d e",
    "DATABASE_SSLMODE": "require",
}
ENCODED = "clerk:a%2Fb%3Ac%40d%20e@db.example.org:5432/shop?sslmode=require"


def test_the_least_that_a_project_says() -> None:
    project = projects.parse(MINIMUM)
    assert (project.probes.version, project.migrate, project.smoke) == ("", (), ())
    assert project.database.development == "none"
    assert project.signing == Signing("kms")
    assert project.previews == Previews(domain="", path="/", days=7, seed=())
    assert project.previews.host(7) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Shop"}, "name must be"),
        ({"name": "s" * 19}, "name must be"),
        ({"name": "web-"}, "name must be"),
        ({"name": "a--b"}, "name must be"),
        ({"name": "internal-shop"}, "name must be"),
        ({"wsgi": "app"}, "wsgi must be"),
        ({"port": 80}, "not root"),
        ({"probes": {"live": "healthz", "ready": "/"}}, "probes must be paths"),
        ({"database": {"engine": "mysql"}}, "engine must be one of"),
        ({"database": {"engine": "sqlite", "uri": "X"}}, "may name variables"),
        ({"database": {"engine": "sqlite", "url": "A B"}}, "variables must be names"),
        ({"environment": {"A-B": "1"}}, "variables must be names"),
        ({"migrate": ["flask", "db", "upgrade"]}, "migrate needs a database"),
        ({"writable": ["instance"]}, "absolute folders"),
        (
            {"database": {"engine": "sqlite", "url": "X"}, "writable": ["/cache", "/data"]},
            "writable must begin with /data",
        ),
        ({"secrets": ["A-B"]}, "variables must be names"),
        ({"packages": ["libpq5"]}, "has no packages"),
        ({"signing": {"by": "gpg"}}, "signing.by must be one of kms, key, keyless"),
        ({"signing": {"public": "../signing.pub"}}, "signing.public must be the path of a file"),
        ({"signing": {"key": "PEM"}}, "unexpected keyword argument"),
        ({"previews": {"domain": "https://example.org"}}, "previews.domain must be the name"),
        ({"previews": {"domain": "previews"}}, "previews.domain must be the name"),
        ({"previews": {"path": "start"}}, "previews.path must start with /"),
        ({"previews": {"days": 0}}, "previews.days must be a whole number"),
        ({"previews": {"days": "7"}}, "previews.days must be a whole number"),
        ({"previews": {"seed": ["flask", "seed"]}}, "previews.seed needs postgresql"),
        ({"previews": {"ttl": 1}}, "unexpected keyword argument"),
    ],
)
def test_what_breaks_the_contract_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    file = tmp_path / "project.yaml"
    file.write_text(str({**MINIMUM, **change}).replace("'", '"'), encoding="utf-8")
    with pytest.raises(PipelineError, match=message):
        projects.load(file)


def copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that project.yaml is carried to, in a folder."""
    places = ("Dockerfile", "docker-compose.yml", "pyproject.toml", "infra/helm/*", "argocd/*")
    for file in git.files(*places):
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    monkeypatch.setattr(written, "ROOT", folder)
    monkeypatch.setattr(written, "CHART", folder / CHART.relative_to(ROOT))


@pytest.mark.parametrize("checked", [True, False])
def test_modules_of_an_application_that_is_not_checked_are_no_modules_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    copied(tmp_path, monkeypatch)
    changed = replace(projects.load(), checked=checked)
    monkeypatch.setattr(projects, "load", lambda: changed)
    written.differing(write=True)
    settings = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    own = ["app"] if checked else []
    assert settings["pytest"]["ini_options"]["pythonpath"] == [".", *own, "localaws/src"]
    folders = settings["mypy"]["mypy_path"].split("$MYPY_CONFIG_FILE_DIR")
    assert folders == ["", ":", *(f"/{each}:" for each in own), "/localaws/src"]


@pytest.mark.parametrize(
    ("line", "changed"),
    [("EXPOSE ", "EXPOSE 1"), ('CMD ["gunicorn"', 'CMD ["python"]')],
)
def test_a_line_that_differs_from_the_project_file_is_named_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, changed: str
) -> None:
    copied(tmp_path, monkeypatch)
    assert written.differing() == []
    dockerfile = tmp_path / "Dockerfile"
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    edited = [changed if text.startswith(line) else text for text in lines]
    dockerfile.write_text("\n".join([*edited, ""]), encoding="utf-8")
    assert written.differing(write=True) == ["Dockerfile: the lines from project.yaml"]
    assert written.differing() == []


def test_argo_cds_windows_are_the_freezes_of_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "argocd" / "apps" / "base" / "project.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes((ROOT / manifest.relative_to(tmp_path)).read_bytes())
    folder = tmp_path / "environments"
    folder.mkdir()
    for name, freeze in (
        ("production", '{schedule: "0 16 * * 5", duration: 62h, timeZone: Etc/UTC}'),
        ("qa", '{schedule: "0 0 24 12 *", duration: 72h, timeZone: Europe/Zurich}'),
        ("staging", ""),
    ):
        text = (ROOT / "environments" / "local.yaml").read_text(encoding="utf-8")
        promotion = f"promotion:\n  freeze: [{freeze}]\n"
        file = folder / f"{name}.yaml"
        file.write_text(text.replace("name: local", f"name: {name}") + promotion, encoding="utf-8")
    monkeypatch.setattr(environments, "ENVIRONMENTS", folder)
    monkeypatch.setattr(written, "ROOT", tmp_path)
    monkeypatch.setattr(written, "CHART", tmp_path / "chart")

    def windows() -> list[tuple[str, str]]:
        written.differing(write=True)
        content = YAML(typ="safe").load(manifest.read_text(encoding="utf-8"))
        assert list(content["spec"])[-1] == "roles"
        return [
            (each["schedule"], *each["applications"]) for each in content["spec"]["syncWindows"]
        ]

    name = projects.load().name
    assert windows() == [("0 16 * * 5", f"{name}-production"), ("0 0 24 12 *", f"{name}-qa")]
    for file in (folder / "production.yaml", folder / "qa.yaml"):
        file.unlink()
    assert windows() == []


def test_variables_and_secrets_reach_image_and_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"environment": {"PRICE": 'from "5" $'}, "secrets": ["MAIL_TOKEN"]}
    (tmp_path / "project.yaml").write_text(json.dumps(MINIMUM | change), encoding="utf-8")
    for name in ("Dockerfile", "docker-compose.yml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(written, "ROOT", tmp_path)
    monkeypatch.setattr(written, "CHART", tmp_path / "chart")
    monkeypatch.setattr(projects, "FILE", tmp_path / "project.yaml")
    monkeypatch.setattr(projects, "load", lambda: projects.parse(MINIMUM | change))
    written.differing(write=True)
    assert r''' PRICE="from \"5\" \$"''' in (tmp_path / "Dockerfile").read_text(encoding="utf-8")
    compose = YAML(typ="safe").load((tmp_path / "docker-compose.yml").read_text(encoding="utf-8"))
    variables = compose["services"]["web"]["environment"]
    assert (variables["MAIL_TOKEN"], variables["DATABASE_NAME"]) == ("${MAIL_TOKEN:-unset}", "app")


@pytest.mark.parametrize(
    ("named", "env", "expected"),
    [
        ("", PARTS, {}),
        ("url=URI", PARTS, {"URI": f"postgresql://{ENCODED}"}),
        ("url=URI scheme=postgresql+psycopg", PARTS, {"URI": f"postgresql+psycopg://{ENCODED}"}),
        (
            "host=DB_HOST port=DB_PORT user=DB_USER password=DB_PASS name=DB",
            PARTS,
            {
                "DB_HOST": "db.example.org",
                "DB_PORT": "5432",
                "DB_USER": "clerk",
                "DB_PASS": "a/b:c@d e",
                "DB": "shop",
            },
        ),
        (
            "url=URI scheme=postgresql+psycopg",
            {"DATABASE_URL": "postgres://u:p@h/d"},
            {"URI": "postgresql+psycopg://u:p@h/d"},
        ),
        ("url=URI host=DB_HOST", {}, {"URI": "sqlite:////data/app.db"}),
        ("", {"SECRET_KEY": "s", "SIGNING_KEY_VARIABLE": "FLASK_KEY"}, {"FLASK_KEY": "s"}),
    ],
)
def test_the_image_gives_the_address_the_names_that_the_application_reads(
    named: str, env: dict[str, str], expected: dict[str, str]
) -> None:
    assert start.variables({"DATABASE_VARIABLES": named, **env}) == expected


@pytest.mark.filterwarnings("ignore:'pipeline.releases.written' found in sys.modules")
def test_what_lint_cannot_compare_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> NoReturn:
        raise PipelineError(f"environments/{name}.yaml: no", next_step="correct it")

    monkeypatch.setattr(environments, "load", refuse)
    with pytest.raises(SystemExit, match=r"^environments/\w+\.yaml: no\. Next: correct it\.$"):
        runpy.run_module("pipeline.releases.written", run_name="__main__")
