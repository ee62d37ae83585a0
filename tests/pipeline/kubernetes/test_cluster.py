"""The cluster in use: a workflow's kubeconfig before what a person chose on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.kubernetes import cluster


@pytest.mark.parametrize(
    ("item", "ready"),
    [
        ({}, False),
        ({"status": {"phase": "Pending", "qosClass": "Burstable"}}, False),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}, False),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, False),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, True),
    ],
)
def test_what_reports_nothing_yet_is_not_ready(item: dict[str, Any], ready: bool) -> None:
    assert cluster.is_ready(item) == ready


def test_the_kubeconfig_of_a_workflow_is_the_cluster_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "FOLDER", tmp_path)
    monkeypatch.setattr(cluster, "CONTEXT_FILE", tmp_path / "context")
    (tmp_path / "context").write_text("chosen", encoding="utf-8")
    monkeypatch.delenv("KUBECONFIG_CONTENT", raising=False)
    chosen = cluster.find()
    assert chosen
    assert chosen.context == "chosen"
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "staging"}
    monkeypatch.setenv("KUBECONFIG_CONTENT", json.dumps(config))
    given = cluster.find()
    assert given
    assert given.kubeconfig
    assert (given.context, given.local) == ("staging", False)
    assert json.loads(given.kubeconfig.read_text(encoding="utf-8")) == config
    assert given.kubeconfig.stat().st_mode & 0o777 == 0o600
