"""Differences between Git and the cluster, as Argo CD finds them."""

import json
from typing import Any

from pipeline.argocd import application
from pipeline.core.errors import CommandFailedError
from pipeline.kubernetes.cluster import Cluster


def differences(cluster: Cluster, environment: str) -> list[str]:
    """One line a resource, with who changed it last where that is known."""
    state = application.get(cluster, environment) or {}
    lines = []
    for resource in application.differing(state):
        name = f"{resource['kind']} {resource.get('namespace', '')}/{resource['name']}"
        kept = resource.get("requiresPruning")
        difference = "is not in Git any more" if kept else "differs from Git"
        lines.append(f"{name} {difference}{_last_editor(cluster, resource)}")
    for condition in state.get("status", {}).get("conditions", []):
        if condition["type"].endswith("Error"):
            lines.append(f"{condition['type']}: {condition['message'].splitlines()[0]}")
    return lines


def _last_editor(cluster: Cluster, resource: dict[str, Any]) -> str:
    kind = ".".join(part for part in (resource["kind"], resource.get("group")) if part)
    where = ["-n", resource.get("namespace", ""), "--show-managed-fields", "-o", "json"]
    try:
        metadata = json.loads(cluster.run("get", kind, resource["name"], *where))["metadata"]
    except CommandFailedError:
        return ""
    edits = [
        edit
        for edit in metadata.get("managedFields", [])
        if not edit["manager"].startswith(("argocd", "kube-"))
        and edit.get("subresource") != "status"
    ]
    if not edits:
        return ""
    last = max(edits, key=lambda edit: edit.get("time", ""))
    return f" (last changed by {last['manager']} at {last.get('time', 'an unknown time')})"
