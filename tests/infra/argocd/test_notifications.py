"""What Argo CD sends is the JSON that the receiver reads, whatever stands in the message of a failed sync."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.core import process
from pipeline.core.paths import ROOT
from pipeline.kubernetes.programs import program

NOTIFICATIONS = ROOT / "argocd" / "install" / "notifications"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-notifications-cm}\n"
HOSTILE = 'a "quote", <!channel> [link](https://evil.test)\nand {{ .a }}'
APP = {
    "metadata": {"name": "staging"},
    "status": {
        "sync": {"revision": "0123abc"},
        "health": {"status": "Degraded"},
        "operationState": {"phase": "Failed", "message": HOSTILE * 100},
        "summary": {"images": ["registry.test/shop@sha256:1", "postgres:15"]},
    },
}


def sent(folder: Path, *kinds: str) -> Any:
    """The body of a message, rendered by Helm: its functions are those of Argo CD's templates."""
    config = folder / "config"
    config.mkdir()
    (config / "config.yaml").write_text(CONFIG, encoding="utf-8")
    for name in (
        "kustomization.yaml",
        "notifications.yaml",
        *(f"{kind}/{file}" for kind in kinds for file in ("kustomization.yaml", "template.yaml")),
    ):
        copy = folder / "notifications" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((NOTIFICATIONS / name).read_bytes())
    components = ["../notifications", *(f"../notifications/{kind}" for kind in kinds)]
    (config / "kustomization.yaml").write_text(
        json.dumps({"resources": ["config.yaml"], "components": components}), encoding="utf-8"
    )
    yaml = YAML(typ="safe")
    data = yaml.load(process.capture([program("kubectl"), "kustomize", config]))["data"]
    assert {"trigger.on-deployed", "service.webhook.webhook"} <= set(data)
    body = yaml.load(data["template.application"])["webhook"]["webhook"]["body"]
    chart = folder / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: x\nversion: 0.1.0\n", encoding="utf-8")
    (chart / "values.yaml").write_text(json.dumps({"app": APP}), encoding="utf-8")
    (chart / "templates" / "body.yaml").write_text(
        f"{{{{- with .Values }}}}{body}{{{{ end }}}}", encoding="utf-8"
    )
    rendered = process.capture([program("helm"), "template", "x", chart])
    return json.loads(rendered.partition("body.yaml\n")[2])


def test_a_receiver_of_one_s_own_gets_the_fields(tmp_path: Path) -> None:
    body = sent(tmp_path)
    assert (body["application"], body["sync"]) == ("staging", "Failed")
    assert body["message"] == HOSTILE * 100


def test_slack_gets_plain_text_of_the_length_that_it_takes(tmp_path: Path) -> None:
    body = sent(tmp_path, "slack")
    assert body["text"] == "staging: Degraded"
    header, section = (block["text"] for block in body["blocks"])
    assert header["text"] == "staging: Failed, Degraded"
    assert (header["type"], section["type"]) == ("plain_text", "plain_text")
    assert section["text"].startswith(
        '0123abc\nregistry.test/shop@sha256:1\npostgres:15\na "quote"'
    )
    assert len(section["text"]) == 3000


def test_teams_gets_an_adaptive_card_without_markdown(tmp_path: Path) -> None:
    [attachment] = sent(tmp_path, "teams")["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["type"] == "AdaptiveCard"
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert runs[0]["text"] == "staging: Failed, Degraded"
    assert HOSTILE in runs[1]["text"]


def test_a_rollback_is_told_that_is_at_an_earlier_revision() -> None:
    [patch] = YAML(typ="safe").load((NOTIFICATIONS / "notifications.yaml").read_text("utf-8"))
    [deployed] = YAML(typ="safe").load(patch["value"]["trigger.on-deployed"])

    def told(revision: str, minute: int) -> Any:
        """What a deployment is told once for."""
        result = {"revision": revision}
        operation = {"finishedAt": f"2026-11-28T10:{minute}:00Z", "syncResult": result}
        value: Any = {"app": {"status": {"operationState": operation}}}
        for name in re.split(r"\??\.", deployed["oncePer"]):
            value = value[name]
        return value

    assert len({told("first", 10), told("second", 20), told("first", 30)}) == 3


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_receiver_s_template_changes_nothing_else(kind: str) -> None:
    patch = YAML(typ="safe").load((NOTIFICATIONS / kind / "template.yaml").read_text("utf-8"))
    assert [operation["path"] for operation in patch] == ["/data/template.application"]
