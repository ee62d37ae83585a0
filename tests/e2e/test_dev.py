"""`./inv dev` shows what is saved without a deploy, on ECS and on Kubernetes, and leaves what ran before."""

import signal
import subprocess

import httpx
import pytest

from tests.e2e.kube import OnKubernetes, eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.long]

PAGE, CODE = "app/thanksgiving/templates/base.html", "app/app.py"
SAVED = "<!-- saved -->"


@pytest.mark.parametrize("to", ["ecs", "kubernetes"])
def test_a_saved_file_shows_without_a_deploy_and_the_image_from_before_comes_back(
    kubernetes: OnKubernetes, to: str
) -> None:
    checkout = kubernetes.checkout
    before = checkout.status()[to]
    log = checkout.folder / ".local" / f"dev-{to}.log"

    def shows() -> bool:
        """Whether both replicas do, as far as ten requests can tell."""
        try:
            return all(SAVED in httpx.get(before["url"]).text for _ in range(10))
        except httpx.HTTPError:  # no replica is ready
            return False

    with log.open("w", encoding="utf-8") as sink:
        program = subprocess.Popen(
            ["./inv", "dev", "--to", to],
            cwd=checkout.folder,
            env=checkout.environ(),
            stdout=sink,
            stderr=sink,
        )
    try:
        eventually(lambda: "Edit app/" in log.read_text(encoding="utf-8"), 240, "ready for edits")
        checkout.edit(PAGE, r"\Z", SAVED)
        eventually(shows, 60, "the saved page")
        checkout.edit(CODE, r"\A", "broken = (\n")
        eventually(lambda: not shows(), 60, "the broken application")
        checkout.edit(CODE, r"\Abroken = \(\n", "")
        eventually(shows, 60, "the application repaired")
    finally:
        checkout.restore()
        program.send_signal(signal.SIGINT)
        program.wait(timeout=240)
    assert program.returncode == 0, log.read_text(encoding="utf-8")
    assert checkout.status()[to]["image"] == before["image"]
    assert not shows()
