"""`./inv dev` gives every replica all that was edited, and one that comes later too."""

import io
import os
import tarfile
import threading
from functools import partial
from pathlib import Path

import pytest

from pipeline.commands import dev
from pipeline.targets.editing import Put


class EnoughError(Exception):
    """Ends the endless loop of a test."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an application."""
    folder = tmp_path / "app"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "views.py").write_text("price = 1\n", encoding="utf-8")
    monkeypatch.setattr(dev, "APP", folder)
    return folder


def content(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read().decode() for name, file in files.items() if file}


def test_an_archive_can_be_read_by_the_application(app: Path) -> None:
    file = app / "shop" / "views.py"
    file.chmod(0o600)
    with tarfile.open(fileobj=io.BytesIO(dev.archive([file, app / "gone.py"]))) as tar:
        [member] = tar.getmembers()
    assert (member.name, member.uid, member.mode & 0o444) == ("shop/views.py", dev.USER, 0o444)


def test_each_replica_gets_the_edits_once_and_a_new_one_all_of_them(app: Path) -> None:
    views, page = app / "shop" / "views.py", app / "shop" / "page.html"
    os.utime(views, (1, 1))
    has: dict[str, list[dict[str, str]]] = {"old": []}

    def put(name: str, archive: bytes) -> None:
        has[name].append(content(archive))
        if name == "new":
            raise EnoughError
        if len(has["old"]) == 1:
            threading.Timer(0.1, views.write_text, ("price = 2\n",)).start()
        else:
            has["new"] = []

    def replicas() -> dict[str, Put]:
        return {name: partial(put, name) for name in list(has)}

    page.write_text("<p>", encoding="utf-8")
    with pytest.raises(EnoughError):
        dev._follow(replicas, since=2)
    first, both = (
        {"shop/page.html": "<p>"},
        {"shop/page.html": "<p>", "shop/views.py": "price = 2\n"},
    )
    assert has == {"old": [first, both], "new": [both]}
