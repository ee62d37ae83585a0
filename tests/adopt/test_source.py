"""What comes along from where an application lies, how it is staged and taken back, and which names it may have."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adoption import application, naming
from pipeline.commands import adopt
from pipeline.core.errors import PipelineError
from pipeline.git import repository
from pipeline.releases import project

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
ANSWERS = naming.Answers(**dict.fromkeys(adopt.FIELDS, ""))


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", *identity, "-C", folder, *arguments], check=True, capture_output=True, text=True
    ).stdout


def committed(folder: Path, files: dict[str, str]) -> Path:
    """A repository with these files in a commit, ignored ones too."""
    written(folder, files)
    git(folder, "init", "--quiet")
    git(folder, "add", "--force", "--all")
    git(folder, "commit", "--quiet", "--message", "All")
    return folder


def copied(source: Path | str) -> set[str]:
    with adopt._source(replace(ANSWERS, source=str(source))) as copy:
        return {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}


@pytest.mark.parametrize("rules", ["above", "beside"])
def test_what_the_rules_of_a_repository_or_of_a_folder_ignore_stays_behind(
    tmp_path: Path, rules: str
) -> None:
    folder = written(tmp_path / "backend", {"app.py": FLASK, ".env.local": "KEY=1", "up/a": "a"})
    place = tmp_path if rules == "above" else folder
    written(place, {".gitignore": ".env*\nup/\n"})
    if rules == "above":
        git(tmp_path, "init", "--quiet")
    assert copied(folder) - {".gitignore"} == {"app.py"}


def test_of_a_folder_without_a_repository_secrets_stay_behind_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = {".env.production": "KEY=1", "certs/tls.key": "key", "certs/tls.pem": "pem"}
    written(tmp_path, {"app.py": FLASK, ".env.example": "KEY=", ".venv/ca.pem": "", **secret})
    assert copied(tmp_path) == {"app.py", ".env.example"}
    said = " ".join("".join(capsys.readouterr()).split())
    assert "secrets: .env.production, certs/tls.key, certs/tls.pem" in said


def test_of_a_repository_secrets_that_it_does_not_track_stay_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    committed(tmp_path, {"app.py": FLASK, "ca.pem": "", ".gitignore": ".env\n"})
    written(tmp_path, {".env.production": "KEY=1", "tls.key": "key", "new.py": ""})
    assert copied(tmp_path) == {"app.py", "ca.pem", ".gitignore", "new.py"}
    assert "secrets: .env.production, tls.key" in " ".join("".join(capsys.readouterr()).split())


def test_a_folder_that_the_repository_above_ignores_has_its_own_rules(tmp_path: Path) -> None:
    git(written(tmp_path, {".gitignore": "*\n"}), "init", "--quiet")
    folder = written(tmp_path / "shop", {"app.py": FLASK, ".gitignore": "up/\n", "up/a": "a"})
    written(folder, {"tls.key": "key"})
    assert copied(folder) == {"app.py", ".gitignore"}


def test_what_git_ignores_in_app_is_named_before_it_would_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {".gitignore": "__pycache__/\n*.db\n.env\n", "app/app.py": FLASK, "shop.db": ""}
    committed(tmp_path, rules)
    written(tmp_path, {"app/__pycache__/app.cpython-311.pyc": ""})
    of_the_tree = repository.run
    monkeypatch.setattr(repository, "run", lambda *words: of_the_tree(*words, root=tmp_path))
    monkeypatch.setattr(repository, "is_dirty", lambda: False)
    assert adopt._unkept() == []
    written(tmp_path, {"app/shop.db": "", "app/.env": "KEY=1"})
    with pytest.raises(PipelineError, match=r"adoption would delete: app/\.env, app/shop\.db"):
        adopt.run({}, dry_run=True)
    assert (tmp_path / "app" / ".env").read_text() == "KEY=1"


@pytest.fixture
def lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> application.Application:
    """An application that was adopted with SQLite and without a domain, as ``--wsgi web:app`` finds it."""
    (tmp_path / "project.yaml").write_text(
        "name: shop\nwsgi: shop:app\nport: 8000\ndatabase: {engine: sqlite, url: SHOP_FILE}\n"
        "probes: {live: /, ready: /}\nimage: shop\ntitle: Shop\ndelivery: 0123456789abcdef\n"
    )
    there = project.load(tmp_path / "project.yaml")
    monkeypatch.setattr(project, "load", lambda: there)
    monkeypatch.setattr(project, "FILE", tmp_path / "project.yaml")
    monkeypatch.setattr(naming, "now", lambda: {"domain": ""})
    code = {"requirements.txt": "flask\n", "web.py": FLASK}
    return application.look(written(tmp_path / "app", code), "web:app", "none")


def test_an_answer_that_is_given_later_counts_and_the_rest_stays(
    lies_here: application.Application,
) -> None:
    answers = replace(ANSWERS, name="shop", title="Shop", wsgi=None, database=None)
    before = adopt._document(answers, lies_here)
    assert (before["wsgi"], before["database"]["url"]) == ("shop:app", "SHOP_FILE")
    assert adopt._document(replace(answers, database="sqlite"), lies_here) == before
    given = adopt._document(replace(answers, wsgi="web:app", database="none"), lies_here)
    assert given == before | {"wsgi": "web:app", "database": {"engine": "none"}}


def test_what_adoption_took_away_is_named_where_a_later_answer_needs_it(
    lies_here: application.Application,
) -> None:
    answers = replace(ANSWERS, name="shop", title="Shop", wsgi=None, database=None)
    with pytest.raises(PipelineError, match=r"no settings for a domain: .*load_balancer"):
        adopt._document(replace(answers, domain="shop.example.com"), lies_here)
    own = replace(lies_here, database={"engine": "postgresql", "url": "DATABASE_URL"})
    with pytest.raises(PipelineError, match="no settings for PostgreSQL: ") as refused:
        adopt._document(replace(answers, database="postgresql"), own)
    assert "git show 0123456789ab:environments/" in refused.value.next_step


@pytest.mark.parametrize("place", ["acme/ecs-saas-app", "acme/shop-delivery", "acme/shop"])
def test_a_repository_is_named_as_it_is_whatever_the_application_is_called(
    tmp_path: Path, place: str
) -> None:
    sample = project.load()
    answers = replace(ANSWERS, name="shop", title="Shop", repository=place)
    file = tmp_path / "repository.yaml"
    file.write_text(
        f"# Ours.\ndata:\n  url: https://github.com/{naming.now()['repository']}.git\n  owner: example\n"
        f"  name: {sample.name}\n  application: {sample.name}\n"
    )
    naming._rename(file, naming.names(sample, answers))
    naming._repository(file, place)
    owner, name = place.split("/")
    assert file.read_text() == (
        f"# Ours.\ndata:\n  url: https://github.com/{place}.git\n  owner: {owner}\n"
        f"  name: {name}\n  application: shop\n"
    )


def test_what_a_repository_tracks_comes_along(tmp_path: Path) -> None:
    files = {"app.py": FLASK, "static/site.css": "", "certs/ca.pem": "", ".gitignore": "static/\n"}
    assert copied(committed(tmp_path, files)) == {*files}


def test_a_git_address_brings_submodules_and_leaves_the_same_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = committed(tmp_path / "common", {"common.py": ""})
    source = committed(
        tmp_path / "shop", {"app.py": FLASK, "shop.db": "", ".github/workflows/ci.yml": ""}
    )
    for name, value in {"COUNT": "1", "KEY_0": "protocol.file.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    git(source, "submodule", "--quiet", "add", str(common), "common")
    git(source, "commit", "--quiet", "--message", "Common code")
    assert copied(f"file://{source}") == {"app.py", ".gitmodules", "common/common.py"}


def test_a_link_that_leads_out_of_the_folder_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "shop", {"app.py": FLASK, "requirements.txt": "flask\n"})
    written(tmp_path, {"common/shared.txt": ""})
    links = {"in.py": "app.py", "out.txt": "../common/shared.txt", "no": "x", "out.py": "../x.py"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    (note,) = application.look(folder).notes
    assert note.startswith("links that lead to nothing in the image: no, out.py, out.txt;")


def test_a_source_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    folder = written(tmp_path, {"app.py": f"\ufeff{FLASK}", "requirements.txt": "flask\n"})
    assert application.look(folder).wsgi == "app:app"


def test_what_the_source_has_is_staged_whatever_its_rules_ignore(tmp_path: Path) -> None:
    committed(tmp_path, {"app/app.py": "", "README.md": ""})
    written(tmp_path, {"app/.gitignore": "static/\n", "app/static/site.css": "", "new.md": ""})
    assert adopt._staged(tmp_path).count("diff --git") == 3
    assert "app/static/site.css" in git(tmp_path, "diff", "--cached", "--name-only")


def test_what_is_taken_back_leaves_no_file(tmp_path: Path) -> None:
    committed(tmp_path, {"app/app.py": "", "README.md": ""})
    written(tmp_path, {"app/.gitignore": "static/\n", "app/static/site.css": "", "chart/a.md": ""})
    adopt._restore(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith(".git/")} == {"app/app.py", "README.md"}


@pytest.mark.parametrize("name", ["web", "main", "staging", "test", "app"])
def test_a_name_that_is_a_word_of_the_code_is_not_renamed(name: str) -> None:
    sample = project.load()
    answers = replace(ANSWERS, name="other", title=sample.title, repository="acme/shop")
    assert sample.name in naming.names(sample, answers)  # the sample is renamed
    adopted = replace(sample, delivery="0" * 40)
    assert adopted.name in naming.names(adopted, answers)
    with pytest.raises(PipelineError, match=f"^{name} is a word of this repository's own code"):
        naming.names(replace(adopted, name=name, image=name), answers)
    same = replace(answers, name=name)
    assert name not in naming.names(replace(adopted, name=name, image=name), same)
