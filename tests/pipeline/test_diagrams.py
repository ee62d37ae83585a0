"""The diagrams of docs/architecture.md say what the code says, and lint fails where one does not."""

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.core.paths import ROOT, TERRAFORM
from pipeline.diagrams import architecture, svg
from pipeline.diagrams.svg import Edge, Panel
from pipeline.releases.project import project


def labels(drawing: str) -> list[str]:
    root = ElementTree.fromstring(drawing)  # noqa: S314 - our own
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the Terraform code that a test may change."""
    copy = tmp_path / "terraform"
    shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform"))
    monkeypatch.setattr(architecture, "TERRAFORM", copy)
    return copy / "modules"


@pytest.fixture(scope="session")
def cluster() -> str:
    return architecture.cluster()


def test_the_committed_diagrams_are_those_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert architecture.main(["--check"]) == 0
    folder = shutil.copytree(architecture.FOLDER, tmp_path / "diagrams")
    monkeypatch.setattr(architecture, "FOLDER", folder)
    before = (folder / "aws.svg").read_bytes()
    (folder / "aws.svg").write_text("another", encoding="utf-8")
    (folder / "workflows.svg").unlink()
    assert architecture.main(["--check"]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/diagrams/")[2] for line in printed] == [
        "aws.svg is out of date: run ./inv format",
        "workflows.svg is out of date: run ./inv format",
    ]
    assert architecture.main([]) == 0
    assert (folder / "aws.svg").read_bytes() == before
    assert architecture.main(["--check"]) == 0


def test_a_connection_needs_a_rule_at_both_ends(modules: Path) -> None:
    assert "5432" in labels(architecture.aws())
    traffic = modules / "traffic" / "main.tf"
    text = traffic.read_text(encoding="utf-8")
    for name in ("tasks_to_database", "database_from_tasks"):
        rule = re.search(rf'^resource "\w+" "{name}".*?^}}\n', text, re.DOTALL | re.MULTILINE)
        assert rule
        traffic.write_text(text.replace(rule[0], ""), encoding="utf-8")
        assert "5432" not in labels(architecture.aws()), name


def test_a_new_rule_is_drawn(modules: Path) -> None:
    (modules / "service" / "more.tf").write_text(
        """
resource "aws_vpc_security_group_egress_rule" "mail" {
  security_group_id = aws_security_group.tasks.id
  cidr_ipv4         = "192.0.2.0/24"
  from_port         = 587
  to_port           = 587
  ip_protocol       = "tcp"
}
""",
        encoding="utf-8",
    )
    assert {"192.0.2.0/24", "587"} <= {*labels(architecture.aws())}


def test_a_cluster_s_objects_are_there_and_name_no_application(cluster: str) -> None:
    shown = labels(cluster)
    assert {"Service", "ServiceAccount", "Secret", "namespace argocd"} <= {*shown}
    assert {"Deployment", "Rollout"} & {*shown}
    assert not [text for text in shown if project().name in text.split("-")]
    assert not [text for text in shown if re.search(r"-[0-9a-f]{8}$", text)]


def test_a_job_stands_with_its_tasks_and_waits_for_those_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "new.yml").write_text(
        "on: {push: {}}\njobs:\n"
        "  a: {steps: [{uses: x}, {run: ./inv lint}, {run: exec ./inv test --fast}]}\n"
        "  b: {needs: a, steps: [{run: ./inv build}]}\n"
        "  c: {needs: [a, b], uses: ./.github/workflows/deploy.yml}\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(architecture, "ROOT", tmp_path)
    drawing = architecture.workflows()
    assert labels(drawing) == [
        *(
            "new.yml, on push",
            "a",
            "./inv lint",
            "./inv test",
            "b",
            "./inv build",
            "c",
            "deploy.yml",
        )
    ]
    assert drawing.count("marker-end") == 2, "c waits for a by way of b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("on: push\njobs: {a: {steps: [{run: make}]}}\n", ["new.yml, on push", "a", "make"]),
        (
            "on: [push, pull_request]\njobs: {a: {}}\n",
            ["new.yml, on push, pull request", "a"],
        ),
        ("name: Ours\n", []),  # GitHub refuses it; adopt and upgrade do not fail on it
        ("", []),
    ],
)
def test_a_teams_own_workflow_is_drawn_however_it_is_written(
    text: str, shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "a.yml").write_text("on: {push: {}}\njobs: {b: {}}\n", encoding="utf-8")
    (folder / "new.yml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(architecture, "ROOT", tmp_path)
    assert labels(architecture.workflows()) == ["a.yml, on push", "b", *shown]


def test_boxes_of_a_drawing_do_not_overlap_and_arrows_lead_to_the_right() -> None:
    nodes = {name: [name, "two"] for name in "abcde"}
    panel = Panel("t", nodes, [Edge("a", "b"), Edge("b", "c"), Edge("a", "c"), Edge("d", "c")])
    boxes = svg._boxes(panel, 0)
    for edge in panel.edges:
        x, _, width, _ = boxes[edge.source]
        assert x + width < boxes[edge.target][0]
    for name, (x, y, _, height) in boxes.items():
        below = [box for other, box in boxes.items() if other != name and box[0] == x]
        assert not [box for box in below if y <= box[1] < y + height]


@pytest.mark.parametrize("name", ["aws", "cluster", "workflows"])
def test_a_drawing_has_colours_for_light_and_dark_and_its_own_ground(name: str) -> None:
    text = (ROOT / "docs" / "diagrams" / f"{name}.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    assert '<rect class="page"' in text
    assert "<title>" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
