"""Turns autoscaling on in the scratch clone by the words of docs/kubernetes.md."""

import re

from pipeline.core.paths import ROOT
from tests.e2e.kube import NAMESPACE, OnKubernetes

REPLICAS = r"^replicaCount: 2$"
#: Every pod uses more than that of the memory that it requests.
ON = """autoscaling:
  enabled: true
  maxReplicas: 3
  targetCPUUtilizationPercentage: null
  targetMemoryUtilizationPercentage: 1"""
MANIFEST = re.compile(r"--field-manager=handover -f - <<'END'\n(?P<manifest>.*?)END\n", re.DOTALL)


def hand_over(kubernetes: OnKubernetes, kind: str) -> None:
    """Applies the page's manifest, for the two pods that run, to a ``Deployment`` or ``Rollout``."""
    found = MANIFEST.search((ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8"))
    assert found is not None
    group = {"Deployment": "apps/v1", "Rollout": "argoproj.io/v1alpha1"}[kind]
    manifest = re.sub(r"apiVersion: \S+\nkind: \S+", f"apiVersion: {group}\nkind: {kind}", found[1])
    manifest, count = re.subn(r"replicas: \d+", "replicas: 2", manifest)
    assert count == 1
    apply = ["-n", NAMESPACE, "apply", "--server-side", "--field-manager=handover", "-f", "-"]
    kubernetes.cluster.run(*apply, stdin=manifest)


def turn_on(kubernetes: OnKubernetes) -> None:
    """Edits the clone's environment so that two pods become three once they are measured."""
    kubernetes.checkout.edit("environments/local.yaml", REPLICAS, f"replicaCount: 2\n{ON}")
