"""A canary on Kubernetes: a good version gets all pods once it was judged; a bad one leaves them and Git by itself."""

import base64
import json
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pipeline.benchmarks.load import constant
from pipeline.core.waiting import wait
from pipeline.kubernetes import workload
from pipeline.kubernetes.cluster import is_ready
from tests.acceptance.journeys import create_gathering
from tests.e2e import autoscaling
from tests.e2e.checkout import Checkout
from tests.e2e.faults import FAULTS, failing_migration, never_ready, plant
from tests.e2e.kube import NAME, NAMESPACE, PODS, OnKubernetes, eventually, watched

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.long]

RATE = 20
TRIAL = "app.kubernetes.io/component=trial"
OFF = r"^canary: \{enabled: false\}.*$"


def switch_on(checkout: Checkout) -> None:
    """A trial in which each fault shows that needs no user, and little time for the others."""
    on = "canary: {enabled: true, trial: 30, seconds: 10}\nsmoke: true"
    checkout.edit("environments/local.yaml", OFF, on)


def gone(kubernetes: OnKubernetes, kind: str) -> bool:
    """Whether the other workload goes, once its last pod has ended."""
    return wait(lambda: kubernetes.cluster.get(kind, NAME, NAMESPACE) is None, timeout=90)


@pytest.fixture(scope="module")
def rollout(kubernetes: OnKubernetes) -> Iterator[OnKubernetes]:
    """The clone with the option on, which loses no request: the Deployment goes when the Rollout serves."""
    switch_on(kubernetes.checkout)
    with constant(f"{kubernetes.url}/", RATE, fresh=True) as load:
        kubernetes.checkout.inv("sync")
    assert load.sent > RATE
    assert load.failures == []
    assert gone(kubernetes, "deployment")
    yield kubernetes
    kubernetes.reset()
    assert gone(kubernetes, "rollouts.argoproj.io")


@pytest.fixture
def canary(rollout: OnKubernetes) -> Iterator[OnKubernetes]:
    """The same with the clone's own version, whatever a test has left."""
    yield rollout
    rollout.checkout.restore()
    switch_on(rollout.checkout)
    rollout.release()


def analyses(kubernetes: OnKubernetes) -> list[dict[str, Any]]:
    """The judgements that the cluster keeps, the newest last."""
    found = kubernetes.cluster.items("analysisruns.argoproj.io", NAMESPACE)
    return sorted(found, key=lambda each: str(each["metadata"]["creationTimestamp"]))


def accepted(kubernetes: OnKubernetes, before: list[str]) -> bool:
    """Whether a version was judged twice since, without users and with them, and accepted."""
    runs = [each for each in analyses(kubernetes) if each["metadata"]["name"] not in before]
    return [each["status"]["phase"] for each in runs] == ["Successful"] * 2


def in_git(kubernetes: OnKubernetes) -> str:
    """The digest that the newest commit of the stand-in names."""
    folder = kubernetes.checkout.folder / ".local" / "gitops" / "delivery.git"
    argv = ["git", "-C", str(folder), "show", "main:environments/local.yaml"]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(r"sha256:[0-9a-f]{64}", text)
    assert found is not None
    return found[0]


def test_a_good_version_gets_all_pods_once_it_was_judged_and_loses_no_request(
    canary: OnKubernetes,
) -> None:
    checkout, before = canary.checkout, canary.image()
    gathering = create_gathering(canary.url)
    judged = [each["metadata"]["name"] for each in analyses(canary)]
    checkout.edit("app/thanksgiving/views/system.py", r'_plain\("ready"\)', '_plain("ready now")')
    for task in ("build", "push"):
        checkout.inv(task)
    with constant(f"{canary.url}/", RATE, fresh=True) as load:
        checkout.inv("sync")
    assert load.sent > RATE
    assert load.failures == []
    assert (canary.text(), len(canary.ready_pods())) == ("ready now", 2)
    assert accepted(canary, judged)
    assert checkout.status()["kubernetes"]["healthy"]
    eventually(lambda: canary.cluster.items("pods", NAMESPACE, TRIAL) == [], 60, "no trial's pod")
    # The way back is not judged, and loses nothing either.
    judged = [each["metadata"]["name"] for each in analyses(canary)]
    with constant(f"{canary.url}/", RATE, fresh=True) as load:
        checkout.inv("rollback", "local")
    assert load.failures == []
    assert (canary.text(), canary.image()) == ("ready", before)
    assert {each["metadata"]["name"] for each in analyses(canary)} <= {*judged}
    assert gathering.title in httpx.get(gathering.guest_url, timeout=10).text


def test_an_autoscaled_rollout_keeps_its_pods_and_is_judged_alike(canary: OnKubernetes) -> None:
    checkout = canary.checkout
    autoscaling.turn_on(canary)
    with watched(
        canary.cluster, "rollouts.argoproj.io", NAME, NAMESPACE, ".spec.replicas"
    ) as replicas:
        autoscaling.hand_over(canary, "Rollout")
        checkout.inv("sync")
        eventually(lambda: replicas[-1:] == ["3"], 180, "what is measured makes it three pods")
        eventually(lambda: len(canary.ready_pods()) == 3, 120, "three ready pods")
        checkout.edit("app/thanksgiving/views/system.py", r'_plain\("ready"\)', '_plain("scaled")')
        for task in ("build", "push"):
            checkout.inv(task)
        judged = [each["metadata"]["name"] for each in analyses(canary)]
        with constant(f"{canary.url}/", RATE, fresh=True) as load:
            checkout.inv("sync")
        eventually(lambda: len(canary.ready_pods()) == 3, 120, "three ready pods of the new one")
    assert set(replicas) == {"2", "3"}
    assert (canary.text(), load.failures) == ("scaled", [])
    assert accepted(canary, judged)


def test_a_changed_secret_replaces_the_pods_as_they_are_with_nothing_to_judge(
    canary: OnKubernetes,
) -> None:
    kubectl, checkout = canary.kubectl, canary.checkout
    daily = "smoke: true\nrestartOnRotation: {enabled: true, schedule: '0 0 1 1 *'}"
    checkout.edit("environments/local.yaml", r"^smoke: true$", daily)
    checkout.inv("sync")

    def look(job: str) -> str:
        kubectl("-n", NAMESPACE, "create", "job", job, f"--from=cronjob/{NAME}-restart")
        finished = ["--for=condition=complete", "--timeout=90s"]
        kubectl("-n", NAMESPACE, "wait", f"job/{job}", *finished)
        return kubectl("-n", NAMESPACE, "logs", f"job/{job}")

    def replaced() -> bool:
        now = set(canary.ready_pods())
        return len(now) == 2 and not now & before

    before = set(canary.ready_pods())
    look("first")  # from now on the Rollout bears what its pods were made with
    eventually(replaced, 120, "both pods are new")
    assert "the pods have the Secrets' values" in look("same")
    before, judged = set(canary.ready_pods()), analyses(canary)
    secret = f"{NAME}-generated"
    present = canary.cluster.get("secret", secret, NAMESPACE)
    assert present is not None
    key = base64.b64encode(secrets.token_hex(32).encode()).decode()
    rotated = {"SECRET_KEY_FALLBACKS": present["data"]["SECRET_KEY"], "SECRET_KEY": key}
    with constant(f"{canary.url}/", RATE, fresh=True) as load:
        patch = json.dumps({"data": rotated})
        kubectl("-n", NAMESPACE, "patch", "secret", secret, f"--patch={patch}")
        assert "are replaced" in look("changed")
        eventually(replaced, 120, "both pods are new")
    assert load.failures == []
    assert analyses(canary) == judged
    assert checkout.status()["kubernetes"]["healthy"]


BAD = {
    "errors": r"canary refused: more than 5 percent errors.*?\d+\.\d percent of \d+ requests",
    "latency": r"canary refused: slower than 1 s.*?nine of ten within [2-9]\.\d\d s",
    "memory": r"canary refused: |pod \S+ ended after \d+ s",
    "crash": r"canary refused: |pod \S+ ended after \d+ s",
    "page": r"canary refused: more than 5 percent errors.*?\d+\.\d percent of \d+ requests",
    "claim": "smoke",
    "never ready": r"Rollout \S+ is degraded: .*(progress|deadline)",
    "migration": "migrate",
}
#: The trial finds each other fault that a request can meet, before users do.
MET = "page"


def brought(checkout: Checkout) -> subprocess.CompletedProcess[str]:
    """The first step of deploy.yml on Kubernetes that fails, or the last."""
    done = checkout.inv("sync", check=False)
    return done if done.returncode else checkout.inv("verify", "--to", "kubernetes", check=False)


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_version_leaves_kubernetes_and_git(
    canary: OnKubernetes, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout, before, digest = canary.checkout, canary.image(), in_git(canary)
    gathering = create_gathering(canary.url)
    if fault in FAULTS:
        plant(checkout, fault)
    else:
        {"never ready": never_ready, "migration": failing_migration}[fault](checkout)
    for task in ("build", "push"):
        checkout.inv(task)
    rate = FAULTS[fault].rate if fault in FAULTS else RATE
    page = "new" if fault == MET else ""
    began = time.monotonic()
    with constant(f"{canary.url}/{page}", rate, fresh=True) as sent:
        failed = brought(checkout)
        refused = time.monotonic() - began
        # As deploy.yml does.
        checkout.inv("rollback", "local")
    took = time.monotonic() - began
    bad = len(sent.failures) or sum(seconds > 2 for seconds in sent.seconds)
    with capsys.disabled():
        print(
            f"\n{fault}: refused {refused:.0f} s after the sync began, out of Git and off both engines after"
            f" {took:.0f} s; met by {bad} of {sent.sent} requests ({100 * bad / sent.sent:.1f} percent)"
        )
    assert failed.returncode == 1
    assert re.search(BAD[fault], " ".join(failed.stderr.split())), failed.stderr
    assert all("status 500" in each for each in sent.failures)
    assert bool(bad) == (fault == MET)
    assert (canary.image(), in_git(canary)) == (before, digest)
    targets = checkout.status()
    assert targets["kubernetes"]["healthy"]
    assert targets["kubernetes"]["image"] == targets["ecs"]["image"]
    pods = canary.cluster.items("pods", NAMESPACE, PODS)
    serving = [each for each in pods if not workload.leaves(each)]
    assert {each["spec"]["containers"][0]["image"] for each in serving} == {before}
    assert all(map(is_ready, serving))
    assert gathering.title in httpx.get(gathering.guest_url, timeout=10).text
