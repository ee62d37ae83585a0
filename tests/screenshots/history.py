"""The page of ``./inv history --html`` for a made-up summer: on a desktop, on a phone, in the dark."""

import hashlib
import itertools
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.commands import history as command
from pipeline.releases import history as releases
from pipeline.releases.desired import Desired, verification
from pipeline.releases.image_reference import ImageReference
from tests.releases.repository import REPOSITORY, TEXT
from tests.releases.test_history import START, Repository
from tests.screenshots.camera import DESKTOP, PHONE, Camera

SUBJECTS = (
    "Sort the list by when it was changed",
    "Keep a name of another script",
    "Speed up the list",
    "Show what is missing first",
    "Correct the print style",
    "Say why a form was refused",
)
AUTHORS = ("Ada Lovelace", "Grace Hopper", "Linus")
#: Hours between two releases, over and over.
PAUSES = (29, 43, 5, 71, 8, 26, 52)
RELEASES = 70
#: One in so many fails, and is rolled back.
FAILING = 17


def take(camera: Camera) -> None:
    """Pictures of a page that is made as ``./inv history`` makes it."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "history.html"
        page.write_text(_page(Path(folder)), encoding="utf-8")
        url = page.as_uri()
        camera.take("history", url, DESKTOP)
        camera.take("history-dark", url, DESKTOP, scheme="dark")
        camera.take("history-phone", url, PHONE)
        camera.take("history-phone-dark", url, PHONE, scheme="dark")


def _page(folder: Path) -> str:
    """The page of some months of releases, of which one in ``FAILING`` failed and was rolled back."""
    repository = Repository(folder / "github.git")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", repository.folder], check=True)
    argv = ["git", "fast-import", "--quiet", "--cat-blob-fd=1"]
    with subprocess.Popen(
        argv, cwd=repository.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as git:
        assert git.stdin
        assert git.stdout

        def written(mark: int) -> str:
            """Writes what was just made; returns its id, which the next commit names."""
            print(*repository.stream, f"get-mark :{mark}", sep="\n", file=git.stdin, flush=True)
            repository.stream.clear()
            return git.stdout.readline().strip()  # type: ignore[union-attr] # it is a pipe

        now = _write(repository, written)
    desired = Desired(str(repository.folder), root=repository.folder)
    return command.page(command.read(desired, ["staging"], now, 90), now, where="origin/main")


def _write(repository: Repository, written: Callable[[int], str]) -> datetime:
    """Makes the commits and their notes; returns when the last one was made."""
    at = START
    repository.commit(at, "Start", text=TEXT)
    turns = zip(
        range(1, RELEASES + 1), *map(itertools.cycle, (SUBJECTS, AUTHORS, PAUSES)), strict=False
    )
    for number, subject, author, pause in turns:
        at += timedelta(hours=pause, minutes=number * 7 % 60)
        source = written(repository.commit(at - timedelta(minutes=21), subject, author=author))
        image = _image(number)
        text = releases.message(f"Release {image.short} to staging", image, source=source)
        mark = repository.commit(at, text, text=_released(number), author="release-app")
        commit = written(mark)
        if number % FAILING:
            note = verification(["ecs", "kubernetes"], at + timedelta(minutes=9))
            repository.note(mark, note)
            continue
        repository.note(mark, "failed")
        before = _image(number - 1)
        text = releases.message(
            f"Roll staging back to {before.short}", before, reason="verify failed"
        )
        text += f"{releases.REVERTS}: {commit} (Release {image.short} to staging)\n"
        later = at + timedelta(minutes=14)
        repository.commit(later, text, text=_released(number - 1), author="release-app")
    written(repository.made)
    return at + timedelta(hours=5)


def _image(number: int) -> ImageReference:
    return ImageReference(REPOSITORY, f"sha256:{hashlib.sha256(bytes([number])).hexdigest()}")


def _released(number: int) -> str:
    return releases.with_digest(TEXT, _image(number).digest)
