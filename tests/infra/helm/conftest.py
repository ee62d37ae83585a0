"""helm itself renders the chart, for an application of its own; every test looks at what came out."""

import copy
import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.paths import CHART
from pipeline.kubernetes import helm

PROJECT = """
port: 5000
probes: {live: /healthz, ready: /readyz}
migrate: [python, -m, shop.migrate]
previews: {seed: [flask, seed]}
secrets: [MAIL_TOKEN]
writable: [/data, /app/instance]
"""

DIGEST = "sha256:" + "0123456789abcdef" * 4
Resources = list[dict[str, Any]]
Render = Callable[..., Resources]


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of an application of its own."""
    chart = tmp_path_factory.mktemp("charts") / CHART.name
    shutil.copytree(CHART, chart)
    (chart / "files" / "project.yaml").write_text(PROJECT, encoding="utf-8")
    return chart


@pytest.fixture(scope="session")
def render(chart: Path) -> Render:
    """Renders with values given as a mapping; the same ones are rendered once."""

    def rendered(
        values: dict[str, Any] | None = None, *arguments: str, **settings: str
    ) -> Resources:
        return copy.deepcopy(once(json.dumps(values or {}), arguments, tuple(settings.items())))

    @functools.cache
    def once(
        values: str, arguments: tuple[str, ...], settings: tuple[tuple[str, str], ...]
    ) -> Resources:
        return helm.template(*arguments, values=json.loads(values), chart=chart, **dict(settings))

    return rendered


def find(resources: Resources, kind: str, suffix: str = "") -> dict[str, Any] | None:
    """The resource of a kind whose name ends with ``suffix``; the first one of several, None of none."""
    for one in resources:
        if one["kind"] == kind and one["metadata"]["name"].endswith(suffix):
            return one
    return None


def need(resources: Resources, kind: str, suffix: str = "") -> dict[str, Any]:
    """As ``find``; a missing resource fails the test."""
    found = find(resources, kind, suffix)
    assert found is not None, f"no {kind} {suffix} in {[one['kind'] for one in resources]}"
    return found


def pod_templates(resources: Resources) -> list[tuple[str, dict[str, Any]]]:
    """Every pod template with the kind and name of its owner; a Rollout's for its canary and for its trial."""
    found = []
    for one in resources:
        kind, spec = one["kind"], one.get("spec", {})
        if kind == "AnalysisTemplate":
            spec = spec["metrics"][0]["provider"]["job"]["spec"]
        if kind == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if kind == "Rollout":
            spec = copy.deepcopy(spec)
            strategy = spec["strategy"]["canary"]
            spec["template"]["metadata"]["labels"] |= strategy["canaryMetadata"]["labels"]
            trial = copy.deepcopy(spec["template"])
            [step] = strategy["steps"][0]["experiment"]["templates"]
            trial["metadata"]["labels"] |= step["metadata"]["labels"]
            found.append((f"trial of Rollout {one['metadata']['name']}", trial))
        if "template" in spec:
            found.append((f"{kind} {one['metadata']['name']}", spec["template"]))
    return found


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of a pod template, the initial ones too."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
