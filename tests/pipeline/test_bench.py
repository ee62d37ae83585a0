"""`./inv bench path` measures an edit until it is live, and leaves the work tree as it was."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import targets
from pipeline.benchmarks import path
from pipeline.core.errors import PipelineError
from pipeline.targets.state import State

PAGE = "<html>the table</html>\n"


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The base template of an application elsewhere."""
    monkeypatch.setattr(path, "ROOT", tmp_path)
    file = tmp_path / "app" / "shop" / "templates" / "base.html"
    file.parent.mkdir(parents=True)
    file.write_text(PAGE, encoding="utf-8")
    return file


@pytest.fixture
def url(template: Path) -> Iterator[str]:
    """An application that serves its template as it is now."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(template.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measure(monkeypatch: pytest.MonkeyPatch, url: str, stages: list[str]) -> list[str]:
    """The deploys that a measurement of one target makes."""
    state = State(url, "image", "1", True, 1)
    target = SimpleNamespace(STAGES=dict.fromkeys(stages, ()), observe=lambda _: state)
    none = SimpleNamespace(STAGES={}, observe=lambda _: None)
    monkeypatch.setattr(targets, "TARGETS", {"here": target, "not up": none})
    deploys: list[str] = []
    monkeypatch.setattr(path, "_deploy", deploys.append)
    assert path.run() == f"here: {path.ROUNDS} rounds each"
    return deploys


@pytest.mark.parametrize(("stages", "deploys"), [(["start"], 2), (["push", "apply"], 3)])
def test_an_edit_is_measured_until_it_is_live_and_then_undone(
    template: Path, url: str, monkeypatch: pytest.MonkeyPatch, stages: list[str], deploys: int
) -> None:
    assert measure(monkeypatch, url, stages) == ["here"] * (deploys * path.ROUNDS + 1)
    assert template.read_text(encoding="utf-8") == PAGE


def test_an_edit_that_does_not_show_is_a_failure_and_undone(
    template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path, "RELOAD_SECONDS", 1)
    with pytest.raises(PipelineError, match="does not show"):
        measure(monkeypatch, "http://127.0.0.1:9", ["start"])
    assert template.read_text(encoding="utf-8") == PAGE


def test_nothing_up_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    none = SimpleNamespace(STAGES={}, observe=lambda _: None)
    monkeypatch.setattr(targets, "TARGETS", {"not up": none})
    with pytest.raises(PipelineError, match="no target is up"):
        path.run()
