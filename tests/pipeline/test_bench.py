"""`./inv bench path` measures edits until they are live, and leaves the application as it was."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import benchmarks, targets
from pipeline.argocd import git_server
from pipeline.benchmarks import by_hand, path
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import project
from pipeline.targets import kubernetes
from pipeline.targets.state import State
from tests.answering import Handler, served

PAGE = "<html>the table</html>\n"


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(benchmarks, "REPORTS", tmp_path / "reports")
    return tmp_path / "reports"


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

    class Page(Handler):
        def do_GET(self) -> None:
            self.answer(template.read_bytes())

    with served(Page) as url:
        yield url


def measure(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    stages: list[str],
    back: Callable[[], None] | None = None,
) -> list[str]:
    """What the files of an application held at each deploy of a measurement of one target."""
    state = State(url, "image", "1", True, 1)
    target = SimpleNamespace(STAGES=dict.fromkeys(stages, ()), observe=lambda _: state)
    none = SimpleNamespace(STAGES={}, observe=lambda _: None)
    monkeypatch.setattr(targets, "TARGETS", {"here": target, "not up": none})
    deploys: list[str] = []

    def deploy(name: str) -> None:
        files = sorted(file for file in (root / "app").rglob("*") if file.is_file())
        texts = (file.read_text(encoding="utf-8") for file in files)
        deploys.append("".join(texts) + ("by hand" if "by hand" in name else ""))

    monkeypatch.setattr(path, "_deploy", deploy)
    monkeypatch.setattr(git_server, "head", lambda: "a" * 40)
    monkeypatch.setattr(path, "_rollback", back or (lambda: deploys.append("back")))
    monkeypatch.setattr(by_hand, "deliver", lambda name: deploy(f"{name}, by hand"))
    assert path.run() == f"here: {path.ROUNDS} rounds each"
    return deploys


def test_each_kind_of_edit_is_deployed_and_then_undone(
    template: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = template.parents[3]
    python = root / "app" / "shop.py"
    python.write_text("app = None\n", encoding="utf-8")
    deploys = measure(root, monkeypatch, url, ["push", "apply"])
    edits, rest = deploys[: 3 * path.ROUNDS], deploys[3 * path.ROUNDS :]
    assert len(set(edits)) == 3 * path.ROUNDS
    # One kind by hand as well; whatever that left is deployed over.
    assert [text.endswith("by hand") for text in edits] == [False] * 2 * path.ROUNDS + [
        True
    ] * path.ROUNDS
    as_before = f"{PAGE}app = None\n"
    # What a rollback left is deployed over as well.
    back = ["back"] * path.ROUNDS
    assert rest == [as_before] * (1 + path.ROUNDS) + back + [as_before]


def test_the_figures_are_kept_for_a_page_with_date_commit_and_machine(reports: Path) -> None:
    benchmarks.show("path", {"here: a template": [3.0, 1.0, 2.0]})
    first, _, *rows = (reports / "bench-path.md").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(
        r"`./inv bench path`, \d{4}-\d\d-\d\d, commit [0-9a-f]{12}( with edits)?, \d+ cores.*, \d+ GiB:",
        first,
    )
    assert rows[-1] == "| here: a template | 2.00 | 1.00 | 3.00 |"


def test_where_code_is_reloaded_an_edit_is_live_without_a_deploy(
    template: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploys = measure(template.parents[3], monkeypatch, url, ["start"])
    assert [text for text in deploys if text != "back"] == [PAGE] * (1 + path.ROUNDS)
    assert template.read_text(encoding="utf-8") == PAGE


def test_what_was_measured_is_kept_where_a_later_delivery_fails(
    template: Path, url: str, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def back() -> None:
        raise PipelineError("the image is not admitted", next_step="admit it")

    with pytest.raises(PipelineError, match="not admitted"):
        measure(template.parents[3], monkeypatch, url, ["push"], back)
    assert "| here: a template |" in (reports / "bench-path.md").read_text(encoding="utf-8")


def test_what_is_brought_to_a_cluster_by_hand_is_listed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    cluster = SimpleNamespace(
        get=lambda *_: None,
        items=lambda *_: [],
        apply=done.append,
        run=lambda *arguments: done.append(" ".join(arguments)),
    )
    monkeypatch.setattr(kubernetes, "connect", lambda: cluster)
    image = ImageReference("registry.test/shop", f"sha256:{'a' * 64}")
    by_hand.on_kubernetes(image)
    listed, named, _ = done
    assert str(image) in listed
    assert f"set image deployment/{project().name} {project().name}={image}" in named


def test_an_edit_that_does_not_show_is_a_failure_and_undone(
    template: Path, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmarks.show("path", {"here: a template": [1.0]})
    monkeypatch.setattr(path, "RELOAD_SECONDS", 1)
    with pytest.raises(PipelineError, match="does not show"):
        measure(template.parents[3], monkeypatch, "http://127.0.0.1:9", ["start"])
    assert template.read_text(encoding="utf-8") == PAGE
    kept = (reports / "bench-path.md").read_text(encoding="utf-8")
    assert "here: a template" in kept, "an empty run takes no figures away"


@pytest.mark.parametrize("kind", path.EDITS)
def test_an_edit_changes_a_file_of_this_repository(kind: str) -> None:
    edit = path.EDITS[kind]
    file = min(ROOT.glob(edit.files), default=None)
    if file is None and kind == path.TEMPLATE:
        pytest.skip("the application has no templates, and no edit of one is measured")
    assert file
    # The end is in every file.
    assert edit.pattern == r"\Z" or re.search(edit.pattern, file.read_text(encoding="utf-8"))


def test_nothing_up_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    none = SimpleNamespace(STAGES={}, observe=lambda _: None)
    monkeypatch.setattr(targets, "TARGETS", {"not up": none})
    with pytest.raises(PipelineError, match="no target is up"):
        path.run()
