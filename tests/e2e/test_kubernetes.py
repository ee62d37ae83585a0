"""The application on Kubernetes: deployed by a commit, changed by commits, and what happens when things break."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import docker
import httpx
import psutil
import pytest

from pipeline.benchmarks.load import Load, constant
from pipeline.core.errors import CommandFailedError
from pipeline.core.paths import CHART, ROOT
from tests.acceptance.journeys import create_gathering
from tests.e2e import autoscaling
from tests.e2e.checkout import Checkout
from tests.e2e.faults import failing_migration
from tests.e2e.kube import (
    APPLICATION,
    DEPLOYMENT,
    NAME,
    NAMESPACE,
    PODS,
    OnKubernetes,
    answers,
    eventually,
    watched,
)

pytestmark = [pytest.mark.engine, pytest.mark.e2e]

RATE = 50
VIEW = "app/thanksgiving/views/system.py"


@pytest.fixture
def disturbed(kubernetes: OnKubernetes) -> Iterator[OnKubernetes]:
    """For a test that changes what runs: afterwards it is as it was."""
    yield kubernetes
    kubernetes.reset()


def git(checkout: Checkout, *arguments: str) -> str:
    """What Git says in the clone."""
    result = subprocess.run(
        ["git", *arguments], cwd=checkout.folder, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def nothing_lost(load: Load) -> None:
    """No request failed, and there were enough of them to tell."""
    assert load.sent > RATE
    assert load.failures == []


def test_two_pods_run_the_digest_that_ecs_runs(kubernetes: OnKubernetes) -> None:
    digests = {answer["image"] for answer in answers(kubernetes.url, 2).values()}
    targets = kubernetes.checkout.status()
    assert {
        target["image"].partition("@")[2] for target in (targets["ecs"], targets["kubernetes"])
    } == digests
    assert targets["kubernetes"]["image"] == targets["ecs"]["image"]


def test_status_tells_both_revisions_and_the_age(kubernetes: OnKubernetes) -> None:
    seen = kubernetes.checkout.status()["kubernetes"]
    assert (seen["healthy"], seen["replicas"], seen["url"]) == (True, 2, kubernetes.url)
    assert seen["revision"] == seen["wanted_revision"]
    assert seen["age"] >= 0


def test_every_application_is_synced_and_healthy_argo_cd_itself_included(
    kubernetes: OnKubernetes,
) -> None:
    def states() -> set[tuple[str, ...]]:
        found = kubernetes.cluster.items("applications.argoproj.io", "argocd")
        assert {"root", "argocd", f"{NAME}-local"} <= {one["metadata"]["name"] for one in found}
        parts = ("sync", "health")
        return {
            tuple(one.get("status", {}).get(part, {}).get("status", "") for part in parts)
            for one in found
        }

    eventually(lambda: states() == {("Synced", "Healthy")}, 180, "all Synced and Healthy")


def test_pods_obey_the_restricted_standard_and_talk_only_to_their_database(
    kubernetes: OnKubernetes,
) -> None:
    namespace = kubernetes.cluster.get("namespace", NAMESPACE)
    assert namespace is not None
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    connect = "import socket; socket.create_connection(('{}', {}), timeout=3)"
    inside = ["-n", NAMESPACE, "exec", DEPLOYMENT, "-c", NAME, "--", "python", "-c"]
    kubernetes.kubectl(*inside, connect.format(f"{NAME}-database", 5432))
    api = kubernetes.cluster.get("service", "kubernetes", "default")
    assert api is not None
    with pytest.raises(CommandFailedError) as refused:
        kubernetes.kubectl(*inside, connect.format(api["spec"]["clusterIP"], 443))
    assert "timed out" in " ".join(refused.value.tail)


def test_what_the_pods_log_is_printed_as_on_ecs(kubernetes: OnKubernetes) -> None:
    printed = kubernetes.checkout.inv("logs", "--to", "kubernetes", "--since", "4h").stdout
    shown = {name[-8:] for name in kubernetes.ready_pods()}
    assert shown <= set(re.findall(r"^\d\d:\d\d:\d\d (\S{8}) \S", printed, re.MULTILINE)), printed


def test_exec_open_and_events_show_what_runs_as_on_ecs(kubernetes: OnKubernetes) -> None:
    inv = kubernetes.checkout.inv
    program = "import os; print(os.getuid()); exit(3)"
    ended = inv("exec", f'python -c "{program}"', "--to", "kubernetes", check=False)
    assert (ended.stdout.split()[0], ended.returncode) == ("10001", 3), ended.stderr
    replica = kubernetes.ready_pods()[0]
    named = inv("exec", "python -V", "--to", "kubernetes", "--replica", replica[-5:])
    assert named.stdout.startswith("Python 3")
    assert inv("open", "--to", "kubernetes").stdout.split() == [kubernetes.url]
    assert " Started " in inv("events", "--to", "kubernetes", "--since", "1h").stdout


def test_logs_exec_port_forward_and_metrics_work(kubernetes: OnKubernetes) -> None:
    assert kubernetes.kubectl("-n", NAMESPACE, "logs", DEPLOYMENT, "--tail=5").strip()
    eventually(lambda: NAME in _top(kubernetes), 180, "kubectl top shows the pods")
    argv = [
        *kubernetes.cluster.kubectl,
        "-n",
        NAMESPACE,
        "port-forward",
        f"service/{NAME}",
        ":80",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            port = child.stdout.readline().split(":")[1].split()[0]
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10).text == "ok\n"
        finally:
            child.terminate()


def _top(kubernetes: OnKubernetes) -> str:
    try:
        return kubernetes.kubectl("top", "pods", "-n", NAMESPACE)
    except CommandFailedError as error:  # not measured yet
        return error.cause


def test_a_sync_without_a_change_makes_no_commit(kubernetes: OnKubernetes) -> None:
    bare = kubernetes.checkout.folder / ".local" / "gitops" / "delivery.git"
    kubernetes.checkout.inv("sync")
    before = git(Checkout(bare), "rev-parse", "main")
    kubernetes.checkout.inv("sync")
    assert git(Checkout(bare), "rev-parse", "main") == before


def test_a_change_travels_by_a_commit_without_a_lost_request_and_back_by_a_rollback(
    disturbed: OnKubernetes,
) -> None:
    checkout = disturbed.checkout
    gathering = create_gathering(disturbed.url)
    branch = git(checkout, "rev-parse", "HEAD"), git(checkout, "branch", "--show-current")
    checkout.edit(VIEW, r'_plain\("ready"\)', '_plain("ready on Kubernetes")')
    state = git(checkout, "status", "--porcelain"), git(checkout, "stash", "list")
    checkout.inv("build")
    checkout.inv("push")
    with constant(f"{disturbed.url}/", RATE) as load:
        checkout.inv("sync")
    assert disturbed.text() == "ready on Kubernetes"
    nothing_lost(load)
    assert (git(checkout, "status", "--porcelain"), git(checkout, "stash", "list")) == state
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "branch", "--show-current")) == branch
    assert gathering.title in httpx.get(gathering.guest_url, timeout=10).text
    with constant(f"{disturbed.url}/", RATE) as load:
        checkout.inv("rollback", "local")
    assert disturbed.text() == "ready"
    nothing_lost(load)


def named(digest: str) -> tuple[str, ...]:
    """How a digest is promoted that has not soaked, on any day of the week."""
    return "--digest", digest, "--override", "a test"


def test_promotions_move_the_digest_from_environment_to_environment(
    kubernetes: OnKubernetes,
) -> None:
    checkout = kubernetes.checkout
    digest = kubernetes.image().partition("@")[2]
    refused = checkout.inv("promote", "local", "production", check=False)
    assert "production takes releases of staging alone" in refused.stderr
    for source, target, replicas in (("local", "staging", 2), ("staging", "production", 3)):
        said = (
            checkout.inv("promote", source, target, *named(digest)).stdout.strip().splitlines()[-1]
        )
        url = said.split()[-1]
        seen = answers(url, replicas).values()
        assert {(answer["image"], answer["environment"]) for answer in seen} == {(digest, target)}
    again = checkout.inv("promote", "staging", "production", *named(digest)).stdout
    assert "already" in again


def test_a_change_of_the_chart_waits_for_its_promotion(disturbed: OnKubernetes) -> None:
    checkout = disturbed.checkout

    def kept() -> list[int]:
        namespaces = (f"{NAME}-staging", f"{NAME}-production")
        return [_deployment(disturbed, name)["revisionHistoryLimit"] for name in namespaces]

    digest = disturbed.image().partition("@")[2]
    checkout.inv("promote", "local", "staging")
    checkout.inv("promote", "staging", "production", *named(digest))
    assert kept() == [5, 5]
    checkout.edit(
        f"{CHART.relative_to(ROOT)}/values.yaml",
        "revisionHistoryLimit: 5",
        "revisionHistoryLimit: 6",
    )
    checkout.inv("sync", "--environment", "staging")
    assert kept() == [6, 5]
    checkout.inv("promote", "staging", "production", *named(digest))
    assert kept() == [6, 6]
    checkout.inv("rollback", "production")
    assert kept() == [6, 5]


def test_what_git_no_longer_has_stays_in_production_and_keeps_no_release(
    disturbed: OnKubernetes,
) -> None:
    checkout = disturbed.checkout
    digest = disturbed.image().partition("@")[2]
    checkout.inv("promote", "local", "staging")
    checkout.inv("promote", "staging", "production", *named(digest))
    file = "environments/production.yaml"
    checkout.edit(file, r"^networkPolicy: \{enabled: true\}", "networkPolicy: {enabled: false}")
    # A null, which a patch of Argo CD's would lose.
    checkout.edit(file, r"^replicaCount: 3$", "replicaCount: 3\ntrustedProxies: null")
    sync = ("sync", "--environment", "production", "--override", "a test")
    said = " ".join(checkout.inv(*sync).stderr.split())
    assert f"NetworkPolicy {NAME} is not in Git any more" in said
    namespace = f"{NAME}-production"
    assert disturbed.cluster.get("networkpolicy", NAME, namespace) is not None
    checkout.restore()
    assert "not in Git any more" not in " ".join(checkout.inv(*sync).stderr.split())


def test_a_change_by_hand_is_seen_and_healed(kubernetes: OnKubernetes) -> None:
    application = ("applications.argoproj.io", APPLICATION, "argocd")
    with watched(kubernetes.cluster, *application, ".status.sync.status") as seen:
        kubernetes.kubectl("-n", NAMESPACE, "scale", DEPLOYMENT, "--replicas=4")
        eventually(lambda: "OutOfSync" in seen, 120, "Argo CD sees the difference")
        eventually(lambda: seen[-1] == "Synced", 180, "Argo CD takes it back")
    eventually(lambda: len(kubernetes.pods()) == 2, 120, "two pods again")
    kubernetes.kubectl("-n", NAMESPACE, "set", "resources", DEPLOYMENT, "--limits=memory=300Mi")
    eventually(
        lambda: "300Mi" not in json.dumps(_deployment(kubernetes)), 180, "the edit is undone"
    )
    eventually(lambda: len(kubernetes.ready_pods()) == 2, 180, "two ready pods")


def _deployment(kubernetes: OnKubernetes, namespace: str = NAMESPACE) -> dict[str, Any]:
    found = kubernetes.cluster.get("deployment", NAME, namespace)
    assert found is not None
    spec: dict[str, Any] = found["spec"]
    return spec


def test_autoscaling_is_turned_on_and_off_without_losing_a_pod(disturbed: OnKubernetes) -> None:
    checkout = disturbed.checkout
    autoscaling.turn_on(disturbed)
    with watched(disturbed.cluster, "deployment", NAME, NAMESPACE, ".spec.replicas") as replicas:
        autoscaling.hand_over(disturbed, "Deployment")
        with constant(f"{disturbed.url}/", RATE) as load:
            checkout.inv("sync")
        eventually(lambda: replicas[-1:] == ["3"], 180, "what is measured makes it three pods")
        eventually(lambda: len(disturbed.ready_pods()) == 3, 120, "three ready pods")
        checkout.inv("sync")
        assert replicas[-1] == "3"
        checkout.restore()
        checkout.inv("sync")
        eventually(lambda: replicas[-1] == "2", 120, "off, the file's number holds")
    assert set(replicas) == {"2", "3"}
    nothing_lost(load)


def test_a_killed_pod_and_a_drained_node_lose_no_request(kubernetes: OnKubernetes) -> None:
    eventually(lambda: len(kubernetes.ready_pods()) == 2, 180, "two ready pods")
    with constant(f"{kubernetes.url}/", RATE) as load:
        victim = kubernetes.ready_pods()[0]
        kubernetes.kubectl("-n", NAMESPACE, "delete", "pod", victim)
        eventually(
            lambda: victim not in kubernetes.pods() and len(kubernetes.ready_pods()) == 2,
            180,
            "a new pod",
        )
        # One node: what is evicted has nowhere to go, so the disruption budget has to keep the last pod.
        drain = ["drain", "node", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=15s"]
        try:
            with pytest.raises(CommandFailedError, match="evict"):
                kubernetes.kubectl(*drain, f"--pod-selector={PODS}")
            assert len(kubernetes.ready_pods()) >= 1
        finally:
            kubernetes.kubectl("uncordon", "node")
        eventually(lambda: len(kubernetes.ready_pods()) == 2, 180, "two ready pods again")
    nothing_lost(load)


def test_an_image_that_nobody_has_verified_is_refused_by_the_cluster(
    kubernetes: OnKubernetes,
) -> None:
    policy = "validatingadmissionpolicybindings", f"{NAMESPACE}-images"
    eventually(lambda: kubernetes.cluster.get(*policy) is not None, 180, "the policy is there")
    create = ["-n", NAMESPACE, "create", "--dry-run=server", "--output=name"]
    verified = kubernetes.image()
    repository, _, _ = verified.partition("@")
    deployment = [*create, "deployment", "another"]
    assert kubernetes.kubectl(*deployment, f"--image={verified}").strip().endswith("/another")
    strangers = (
        f"{repository}@sha256:{'0' * 64}",
        f"{repository}:latest",
        "docker.io/library/nginx",
    )
    for image in strangers:
        for what in (deployment, [*create, "job", "another"]):
            with pytest.raises(CommandFailedError) as refused:
                kubernetes.kubectl(*what, f"--image={image}")
            assert f"{image} is not admitted" in " ".join(refused.value.tail)
    stranger, pod = strangers[0], next(iter(kubernetes.pods()))
    for argv in (
        [
            "run",
            "another",
            f"--image={stranger}",
            "--override-type=strategic",
            f"--overrides={json.dumps(OBEDIENT)}",
        ],
        ["create", "cronjob", "another", "--schedule=@daily", f"--image={stranger}"],
        ["set", "image", DEPLOYMENT, f"{NAME}={stranger}"],
        ["patch", DEPLOYMENT, f"--patch={_with_pod(initContainers=[container(stranger)])}"],
        ["patch", DEPLOYMENT, f"--patch={_with_pod(volumes=[image_volume(stranger)])}"],
    ):
        with pytest.raises(CommandFailedError) as refused:
            kubernetes.kubectl("-n", NAMESPACE, *argv, "--dry-run=server")
        assert f"{stranger} is not admitted" in " ".join(refused.value.tail), argv
    with pytest.raises(CommandFailedError) as refused:
        kubernetes.kubectl(
            "-n", NAMESPACE, "debug", pod, f"--image={stranger}", "--profile=restricted"
        )
    assert f"{stranger} is not admitted" in " ".join(refused.value.tail)
    # What runs may be changed in all but its image.
    kubernetes.kubectl("-n", NAMESPACE, "label", "pod", pod, "seen=yes", "--dry-run=server")


#: What the namespace's Pod Security asks of a pod, which is asked first.
OBEDIENT = {
    "spec": {
        "containers": [
            {
                "name": "another",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            }
        ]
    }
}


def _with_pod(**fields: Any) -> str:
    return json.dumps({"spec": {"template": {"spec": fields}}})


def container(image: str) -> dict[str, Any]:
    return {"name": "another", "image": image}


def image_volume(image: str) -> dict[str, Any]:
    return {"name": "another", "image": {"reference": image}}


def test_a_broken_template_changes_nothing_and_says_what_is_wrong(disturbed: OnKubernetes) -> None:
    running = disturbed.image(), set(disturbed.pods())
    disturbed.checkout.edit(
        f"infra/helm/{NAME}/templates/service.yaml", r"^kind: Service$", "kind: {{ .Broken"
    )
    failed = disturbed.checkout.inv("sync", check=False)
    assert failed.returncode == 1
    assert "service.yaml" in failed.stderr
    assert (disturbed.image(), set(disturbed.pods())) == running
    assert disturbed.text() == "ready"


def test_an_image_that_never_becomes_ready_leaves_the_old_pods_serving(
    disturbed: OnKubernetes,
) -> None:
    disturbed.checkout.edit(
        "app/app.py", r"^app = create_app\(\)", 'raise SystemExit("the turkey has burnt")'
    )
    disturbed.checkout.inv("build")
    disturbed.checkout.inv("push")
    with constant(f"{disturbed.url}/", RATE) as load:
        failed = disturbed.checkout.inv("sync", check=False)
        assert failed.returncode == 1
        assert "the turkey has burnt" in failed.stdout + failed.stderr
        disturbed.checkout.inv("rollback", "local")
    nothing_lost(load)
    assert disturbed.text() == "ready"


def test_a_failing_migration_rolls_nothing_out(disturbed: OnKubernetes) -> None:
    running = disturbed.image(), set(disturbed.pods())
    failing_migration(disturbed.checkout)
    disturbed.checkout.inv("build")
    disturbed.checkout.inv("push")
    failed = disturbed.checkout.inv("sync", check=False)
    assert failed.returncode == 1
    assert "no such table" in failed.stdout + failed.stderr
    assert "migrate" in failed.stderr
    assert (disturbed.image(), set(disturbed.pods())) == running
    assert disturbed.text() == "ready"


def test_a_sync_survives_the_death_of_argo_cds_parts(disturbed: OnKubernetes) -> None:
    disturbed.checkout.edit(VIEW, r'_plain\("ready"\)', '_plain("ready all the same")')
    disturbed.checkout.inv("build")
    disturbed.checkout.inv("push")
    argv = ["./inv", "sync"]
    with subprocess.Popen(
        argv,
        cwd=disturbed.checkout.folder,
        env=disturbed.checkout.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as sync:
        eventually(lambda: _operating(disturbed), 180, "the sync is under way")
        for part in ("application-controller", "repo-server"):
            disturbed.kubectl(
                "-n",
                "argocd",
                "delete",
                "pods",
                "-l",
                f"app.kubernetes.io/name=argocd-{part}",
                "--grace-period=0",
                "--force",
                "--wait=false",
            )
        output, _ = sync.communicate(timeout=600)
        assert sync.returncode == 0, output
    assert disturbed.text() == "ready all the same"


def _operating(kubernetes: OnKubernetes) -> bool:
    return (kubernetes.application()["status"].get("operationState") or {}).get(
        "phase"
    ) == "Running"


def test_an_unreachable_repository_leaves_the_application_alone(kubernetes: OnKubernetes) -> None:
    served = f"--base-path={kubernetes.checkout.folder / '.local' / 'gitops'}"
    processes = psutil.process_iter(["cmdline"])
    servers = [process for process in processes if served in (process.info["cmdline"] or ())]
    assert servers
    for server in servers:
        server.kill()
    kubernetes.kubectl(
        "-n",
        "argocd",
        "annotate",
        "--overwrite",
        "applications",
        f"{NAME}-local",
        "argocd.argoproj.io/refresh=hard",
    )

    def complained() -> bool:
        conditions = kubernetes.application()["status"].get("conditions", [])
        return any(one["type"] == "ComparisonError" for one in conditions)

    eventually(complained, 180, "Argo CD says that it cannot read the repository")
    assert len(kubernetes.ready_pods()) == 2
    assert kubernetes.text() == "ready"
    kubernetes.checkout.inv("sync")
    assert not complained()


def test_a_stopped_cluster_goes_on_where_it_was(kubernetes: OnKubernetes) -> None:
    gathering = create_gathering(kubernetes.url)
    node = docker.from_env().containers.get(kubernetes.node())
    node.stop(timeout=20)
    assert kubernetes.checkout.status()["kubernetes"] is None
    kubernetes.checkout.inv("cluster", "up")

    def serves() -> bool:
        try:
            return gathering.title in httpx.get(gathering.guest_url, timeout=5).text
        except httpx.HTTPError:
            return False

    eventually(serves, 120, "the gathering is there again")
    kubernetes.checkout.inv("sync")
