"""A deployment is verified by what its URL answers, until every replica has."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import targets
from pipeline.commands import verify
from pipeline.core.errors import PipelineError
from pipeline.git import repository as git
from pipeline.releases import environments
from pipeline.releases.project import FILE, Probes, at, project
from pipeline.targets import web

PROBES = Probes(live="/healthz", ready="/readyz", version="/version")
DIGEST, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


class Application(ThreadingHTTPServer):
    """Answers in turn as each of its replicas, as a load balancer does."""

    replicas: Iterator[tuple[str, str]]
    ready = 200
    running = True
    ready_path = PROBES.ready


class Handler(BaseHTTPRequestHandler):
    """The two probes."""

    server: Application

    def do_GET(self) -> None:
        """Answers one probe."""
        host, image = next(self.server.replicas)
        live = self.path != self.server.ready_path
        self.send_response(200 if live else self.server.ready)
        self.end_headers()
        self.wfile.write(json.dumps({"hostname": host, "image": image}).encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    monkeypatch.setattr(web, "PATIENCE", 1)
    monkeypatch.setattr(web, "REPLICA_PATIENCE", 0)
    own = replace(project(), probes=PROBES)
    monkeypatch.setattr(web, "project", lambda: own)
    with Application(("127.0.0.1", 0), Handler) as server:
        server.replicas = cycle([("a", DIGEST), ("b", DIGEST)])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def check(server: Application, digest: str = DIGEST, replicas: int = 2) -> str:
    url = f"http://127.0.0.1:{server.server_port}"
    lines = ["first", "the oven is cold"]
    return web.verify((url, None), digest, replicas, lambda: lines, lambda: server.running)[0]


def test_every_replica_has_answered_with_the_digest(application: Application) -> None:
    assert check(application).endswith(str(application.server_port))
    assert check(application, digest="")


def test_too_few_replicas_and_the_logs_last_line_are_named(application: Application) -> None:
    with pytest.raises(PipelineError, match=r"3 replicas of 1{12} .*last line.*the oven is cold"):
        check(application, replicas=3)


def test_another_image_is_named(application: Application) -> None:
    application.replicas = cycle([("a", DIGEST), ("b", OTHER)])
    with pytest.raises(PipelineError, match="b runs 222222222222"):
        check(application)


def test_without_a_version_probe_the_engine_says_what_runs(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(project(), probes=Probes(live="/", ready="/start"))
    monkeypatch.setattr(web, "project", lambda: own)
    application.ready, application.ready_path = 302, "/start"
    assert check(application, replicas=5).endswith(str(application.server_port))
    application.running = False
    with pytest.raises(PipelineError, match=r"200 from .*/start were wanted; .*it does not run so"):
        check(application)
    application.running, application.ready = True, 503
    with pytest.raises(PipelineError, match="the oven is cold"):
        check(application)


def test_a_promoted_revision_is_asked_by_its_own_probes(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{application.server_port}"
    application.ready_path, application.ready = "/start", 503
    told = (lambda: ["the oven is cold"], lambda: True)
    assert web.verify((url, None), DIGEST, 2, *told)
    with pytest.raises(PipelineError, match=r"200 from .*/start were wanted"):
        web.verify((url, None), DIGEST, 2, *told, probes=Probes("/", "/start", "/version"))
    text = re.sub(r"(?m)^  ready: .*", "  ready: /start", FILE.read_text(encoding="utf-8"))
    monkeypatch.setattr(git, "show", lambda revision, path: text if path == FILE.name else revision)
    assert at("its own").probes.ready == "/start"


@pytest.mark.parametrize("count", [1, 50])
def test_many_replicas_get_the_time_to_be_met_by_chance(
    count: int, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "REPLICA_PATIENCE", 5)
    asked: dict[str, float] = {}

    def wait(_check: object, **given: float) -> bool:
        asked.update(given)
        return True

    monkeypatch.setattr(web, "wait", wait)
    check(application, replicas=count)
    assert asked["timeout"] == 1 + 5 * count


def test_an_application_that_is_not_ready_is_not_verified(application: Application) -> None:
    application.ready = 503
    with pytest.raises(PipelineError, match=r"200 from .*/readyz"):
        check(application)


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the smoke test keeps its arguments; it fails where the URL says so."""
    file = tmp_path / "arguments"
    script = f'echo "$@" > {file}; case "$*" in *broken*) exit 1;; esac'
    ours = replace(project(), smoke=("sh", "-c", script, "smoke"))
    monkeypatch.setattr(verify, "project", lambda: ours)
    monkeypatch.setattr(verify, "log_file", lambda name: tmp_path / f"{name}.log")
    return file


def reached(monkeypatch: pytest.MonkeyPatch, url: str, via: web.Via | None) -> None:
    target = SimpleNamespace(verify=lambda _environment, _digest: (url, via))
    monkeypatch.setattr(targets, "TARGETS", {"ecs": target})


def test_the_smoke_test_gets_the_url_and_the_way_there(
    smoke: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached(monkeypatch, "https://localhost:1", web.Via("balancer.test", Path("/ca.pem")))
    assert verify.run("local", smoke=True).headline == "https://localhost:1"
    arguments = smoke.read_text(encoding="utf-8")
    assert arguments == "--host balancer.test --ca /ca.pem https://localhost:1\n"


@pytest.mark.parametrize(
    ("url", "via", "shown"),
    [
        ("https://shop.example.com", None, "https://shop.example.com"),
        ("https://lb.test:8443", web.Via("shop.example.com"), "https://shop.example.com"),
        ("http://localhost:1", web.Via("lb.test", Path("/ca.pem")), "http://localhost:1"),
    ],
)
def test_the_url_of_users_is_an_output(
    monkeypatch: pytest.MonkeyPatch, url: str, via: web.Via | None, shown: str
) -> None:
    reached(monkeypatch, url, via)
    assert verify.run("local").outputs == {"url": shown}


def test_the_smoke_test_does_not_get_what_the_task_signs_in_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "environment"
    ours = replace(project(), smoke=("sh", "-c", f"env > {kept}"))
    monkeypatch.setattr(verify, "project", lambda: ours)
    monkeypatch.setattr(verify, "log_file", lambda name: tmp_path / f"{name}.log")
    for name in ("AWS_SESSION_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "tell-nobody")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test")
    reached(monkeypatch, "http://x.test", None)
    verify.run("local", smoke=True)
    got = kept.read_text(encoding="utf-8")
    assert "tell-nobody" not in got
    assert "HTTPS_PROXY=http://proxy.test" in got


def test_a_failed_smoke_test_fails_verify(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached(monkeypatch, "http://broken.test", None)
    with pytest.raises(PipelineError, match="ended with code 1"):
        verify.run("local", smoke=True)
    assert smoke.read_text(encoding="utf-8") == "http://broken.test\n"


def test_an_environment_asks_for_the_smoke_test(
    smoke: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached(monkeypatch, "http://broken.test", None)
    verify.run("local")
    assert not smoke.exists()
    asked = replace(environments.load("local"), smoke=True)
    monkeypatch.setattr(environments, "load", lambda _name: asked)
    with pytest.raises(PipelineError, match="ended with code 1"):
        verify.run("local")


@pytest.mark.parametrize("by_file", [False, True])
def test_no_smoke_test_is_no_pass(monkeypatch: pytest.MonkeyPatch, *, by_file: bool) -> None:
    reached(monkeypatch, "http://x.test", None)
    monkeypatch.setattr(verify, "project", lambda: replace(project(), smoke=()))
    asked = replace(environments.load("local"), smoke=by_file)
    monkeypatch.setattr(environments, "load", lambda _name: asked)
    with pytest.raises(PipelineError, match="no smoke test"):
        verify.run("local", smoke=not by_file)


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(PipelineError, match="no target 'moon'") as caught:
        verify.run("local", to="moon")
    assert "ecs, kubernetes, compose" in caught.value.next_step
