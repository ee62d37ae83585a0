"""The delivery jobs in a cluster with nothing but the rights that argocd/access gives them."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.core.errors import CommandFailedError
from pipeline.core.paths import ROOT
from pipeline.kubernetes.programs import program
from tests.e2e.checkout import Checkout
from tests.e2e.kube import NAME, NAMESPACE, OnKubernetes, eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.long]

ACCOUNT = "delivery-local"


@dataclass(frozen=True)
class Runner:
    """A job's checkout of main, with the kubeconfig of an account and no engine of its own."""

    checkout: Checkout
    kubeconfig: str

    def inv(self, *arguments: str) -> str:
        """The last line of a task; a failure shows all of it."""
        done = self.checkout.inv(*arguments, check=True, **self.environ())
        return done.stdout.strip().splitlines()[-1]

    def environ(self) -> dict[str, str]:
        """What a workflow sets."""
        return {"GITHUB_ACTIONS": "true", "KUBECONFIG_CONTENT": self.kubeconfig}

    def git(self, *arguments: str) -> str:
        """What Git prints in the checkout."""
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        argv = ["git", *identity, *arguments]
        folder = self.checkout.folder
        return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout

    def push(self, subject: str) -> str:
        """Commits the checkout to main; returns the commit."""
        self.git("commit", "--all", "--quiet", "--message", subject)
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD").strip()


def kubeconfig(kubernetes: OnKubernetes, account: str, folder: Path) -> str:
    """What the commands of docs/argocd.md write for an account."""
    text = (ROOT / "docs" / "argocd.md").read_text(encoding="utf-8")
    [commands] = re.findall(r"^```sh\n(account=.*?)^```", text, re.M | re.S)
    commands = commands.replace("account=delivery-staging", f"account={account}")
    tools = f"{program('kubectl').parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": tools, "KUBECONFIG": str(kubernetes.cluster.kubeconfig)}
    folder.mkdir()
    # Now instead of at its next poll, up to three minutes later.
    generate = "argocd.argoproj.io/application-set-refresh=true"
    kubernetes.kubectl(
        "-n", "argocd", "annotate", "--overwrite", "applicationsets", "access", generate
    )
    subprocess.run(["bash", "-euc", commands], cwd=folder, env=environment, check=True, timeout=240)
    return (folder / "kubeconfig").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runner(kubernetes: OnKubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """A runner with the account of the local environment; afterwards main is what it was."""
    home = Path(tmp_path_factory.mktemp("runner"))
    bare = kubernetes.checkout.folder / ".local" / "gitops" / "delivery.git"
    folder = home / "clone"
    subprocess.run(["git", "clone", "-q", str(bare), str(folder)], check=True)
    access = Runner(
        Checkout(folder, kubernetes.checkout.port_step + 2000),
        kubeconfig(kubernetes, ACCOUNT, home / "account"),
    )
    yield access
    kubernetes.checkout.inv("sync")


def test_an_environments_account_may_do_what_its_jobs_do_and_no_more(
    runner: Runner, kubernetes: OnKubernetes
) -> None:
    def may(verb: str, what: str, namespace: str) -> bool:
        asked = ["-n", namespace, "auth", "can-i", verb, what]
        asked += [f"--as=system:serviceaccount:argocd:{ACCOUNT}"]
        try:
            return kubernetes.kubectl(*asked).strip() == "yes"
        except CommandFailedError:  # `no` is an exit code, too
            return False

    application = f"applications.argoproj.io/{NAME}"
    assert may("patch", f"{application}-local", "argocd")
    assert may("patch", "configmaps/admitted-local", "argocd")
    for verb, what, namespace in (
        ("patch", f"{application}-production", "argocd"),
        ("get", f"{application}-production", "argocd"),
        ("patch", "applications.argoproj.io/root", "argocd"),
        ("patch", "applicationsets.argoproj.io/environments", "argocd"),
        ("get", "secrets", "argocd"),
        ("create", "configmaps", "argocd"),
        ("patch", "configmaps/admitted-production", "argocd"),
        ("patch", "configmaps/argocd-cm", "argocd"),
        ("get", "secrets", NAMESPACE),
        ("delete", "pods", NAMESPACE),
        ("create", "pods/exec", NAMESPACE),
        ("patch", "deployments.apps", NAMESPACE),
        ("get", "pods", "kube-system"),
    ):
        assert not may(verb, what, namespace), f"{verb} {what} in {namespace}"


def test_status_verify_and_drift_work_with_it(runner: Runner, kubernetes: OnKubernetes) -> None:
    seen = runner.checkout.inv("status", check=True, **runner.environ()).stdout
    assert "not healthy" not in seen
    assert kubernetes.image().partition("@")[2][:16] in seen
    assert runner.inv("verify", "--environment", "local", "--to", "kubernetes").startswith("http")
    assert runner.inv("drift", "--environment", "local") == "local is what Git says"


def test_a_commit_is_synced_and_rolled_back_with_it(
    runner: Runner, kubernetes: OnKubernetes
) -> None:
    runner.checkout.edit("environments/local.yaml", r"^replicaCount: 2", "replicaCount: 3")
    runner.push("Run three replicas")
    runner.inv("sync", "--environment", "local")
    assert len(kubernetes.ready_pods()) == 3
    assert "earlier settings" in runner.inv("rollback", "local")
    runner.inv("sync", "--environment", "local")
    eventually(lambda: len(kubernetes.pods()) == 2, 60, "two pods again")


def release(runner: Runner, kubernetes: OnKubernetes, digest: str) -> str:
    """Commits a digest to main past the pipeline, and waits until Argo CD has heard that it is refused."""
    runner.git("pull", "--quiet", "origin", "main")
    runner.checkout.edit("environments/local.yaml", r"^  digest: .*", f"  digest: {digest}")
    commit = runner.push("Run another image")
    refresh = "argocd.argoproj.io/refresh=normal"
    kubernetes.kubectl(
        "-n", "argocd", "annotate", "--overwrite", "applications", NAMESPACE, refresh
    )

    def refused() -> bool:
        status = kubernetes.application()["status"]
        said = json.dumps([status.get("conditions"), status.get("operationState")])
        return f"{digest} is not admitted" in said

    eventually(refused, 120, "the API server refuses it")
    return commit


def test_argo_cd_cannot_bring_an_image_that_the_pipeline_has_not_verified(
    runner: Runner, kubernetes: OnKubernetes
) -> None:
    before = kubernetes.image(), set(kubernetes.ready_pods())
    release(runner, kubernetes, f"sha256:{'0' * 64}")
    assert (kubernetes.image(), set(kubernetes.ready_pods())) == before
    runner.inv("rollback", "local")
    runner.inv("sync", "--environment", "local")
    assert kubernetes.image() == before[0]


def test_a_release_that_argo_cd_saw_before_it_was_verified_is_synced(
    runner: Runner, kubernetes: OnKubernetes
) -> None:
    kubernetes.checkout.edit("app/app.py", r"\A", "# Another image.\n")
    kubernetes.checkout.inv("build")
    kubernetes.checkout.inv("push")
    memory = kubernetes.checkout.folder / ".local" / "environments" / "digest.json"
    digest = json.loads(memory.read_text(encoding="utf-8"))["digest"]
    commit = release(runner, kubernetes, digest)
    runner.inv("sync", "--environment", "local")
    assert kubernetes.image().endswith(digest)
    assert kubernetes.application()["status"]["sync"]["revision"] == commit
    kubernetes.reset()


@pytest.fixture
def closed(runner: Runner, kubernetes: OnKubernetes) -> Iterator[None]:
    """A freeze of the local environment, in its file and in Argo CD's project; gone afterwards."""
    freeze = '{schedule: "* * * * *", duration: 2h, timeZone: Etc/UTC}'
    file = "argocd/apps/local/kustomization.yaml"
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "2h", "manualSync": True}
    patch = {
        "op": "replace",
        "path": "/spec/syncWindows",
        "value": [window | {"applications": ["*"]}],
    }

    def windows(number: int) -> None:
        kubernetes.kubectl(
            *("-n", "argocd", "annotate", "--overwrite", "applications", "root"),
            "argocd.argoproj.io/refresh=hard",
        )

        def there() -> bool:
            project = kubernetes.cluster.get("appprojects.argoproj.io", NAME, "argocd")
            assert project is not None
            return len(project["spec"].get("syncWindows") or []) == number

        eventually(there, 90, f"{number} windows")

    # A sync of Argo CD's own that is under way when the window opens stays so until it closes.
    eventually(lambda: settled(kubernetes), 120, "no sync is under way")
    runner.git("pull", "--quiet", "origin", "main")
    runner.checkout.edit(
        file, r"- \{op: remove, path: /spec/syncWindows\}", f"- {json.dumps(patch)}"
    )
    runner.checkout.edit("environments/local.yaml", r"\Z", f"promotion:\n  freeze: [{freeze}]\n")
    runner.push("Close")
    windows(1)
    yield
    runner.git("pull", "--quiet", "origin", "main")
    runner.checkout.edit(
        file, r"^.*/spec/syncWindows.*$", "      - {op: remove, path: /spec/syncWindows}"
    )
    runner.checkout.edit("environments/local.yaml", r"^promotion:\n.*\n", "")
    runner.push("Open")
    windows(0)


@pytest.mark.usefixtures("closed")
def test_a_window_holds_up_a_release_and_no_rollback(
    runner: Runner, kubernetes: OnKubernetes
) -> None:
    runner.checkout.edit("environments/local.yaml", r"^replicaCount: 2", "replicaCount: 3")
    commit = runner.push("Run three replicas")
    refused = runner.checkout.inv("sync", "--environment", "local", check=False, **runner.environ())
    assert refused.returncode == 1
    assert "local is frozen until" in refused.stderr
    # Argo CD sees the commit all the same, and starts nothing by itself.
    refresh = "argocd.argoproj.io/refresh=normal"
    kubernetes.kubectl(
        "-n", "argocd", "annotate", "--overwrite", "applications", NAMESPACE, refresh
    )

    def seen() -> bool:
        sync = kubernetes.application()["status"]["sync"]
        return (sync["status"], sync["revision"]) == ("OutOfSync", commit)

    eventually(seen, 90, "Argo CD sees the commit")
    assert kubernetes.checkout.status()["kubernetes"]["revision"] != commit
    assert len(kubernetes.pods()) == 2
    # What a person has synced all the same goes back without one.
    start_sync(kubernetes)
    eventually(lambda: len(kubernetes.ready_pods()) == 3, 90, "three pods")
    runner.inv("rollback", "local")
    runner.git("pull", "--quiet", "origin", "main")
    runner.inv("sync", "--environment", "local")
    eventually(lambda: len(kubernetes.pods()) == 2, 60, "two pods again")


def settled(kubernetes: OnKubernetes) -> bool:
    """Whether the local environment is Synced and nothing is under way."""
    status = kubernetes.application()["status"]
    return (status["sync"]["status"], status["operationState"]["phase"]) == ("Synced", "Succeeded")


def start_sync(kubernetes: OnKubernetes) -> None:
    """Syncs the local environment by hand."""
    operation = {"sync": {"syncOptions": ["ServerSideApply=true"]}}
    patch = json.dumps({"operation": operation, "status": {"operationState": None}})
    kubernetes.kubectl(
        *("-n", "argocd", "patch", "applications", NAMESPACE, "--type=merge", f"--patch={patch}")
    )


def test_a_later_commit_that_names_the_same_digest_is_the_release_as_well(
    runner: Runner, kubernetes: OnKubernetes
) -> None:
    runner.git("pull", "--quiet", "origin", "main")
    runner.checkout.edit("README.md", r"\A", "\n")
    released = runner.push("Release")
    runner.checkout.edit("README.md", r"\A", "\n")
    later = runner.push("Say something else")
    script = (
        "from pipeline.releases import environments; from pipeline.targets import kubernetes;"
        f"kubernetes.sync(kubernetes.connect(), environments.load('local'), {released!r})"
    )
    python = str(runner.checkout.folder / ".local" / "venv" / "bin" / "python")
    subprocess.run(
        [python, "-c", script],
        cwd=runner.checkout.folder,
        env={**runner.checkout.environ(), **runner.environ()},
        check=True,
        timeout=400,
    )
    assert kubernetes.application()["status"]["sync"]["revision"] == later


def test_the_comparison_says_when_it_was_not_made(
    runner: Runner, kubernetes: OnKubernetes, tmp_path: Path
) -> None:
    reader = replace(
        runner, kubeconfig=kubeconfig(kubernetes, "delivery-reader", tmp_path / "reader")
    )
    drift = ("drift", "--environment", "local")
    assert reader.inv(*drift) == "local is what Git says"
    nobody = replace(runner, kubeconfig="")
    assert nobody.inv(*drift) == "local is what Git says; Kubernetes: NOT COMPARED"
    failed = runner.checkout.inv(
        *drift, check=False, GITHUB_ACTIONS="true", KUBERNETES_ENABLED="true"
    )
    assert failed.returncode == 1
    assert "Kubernetes: NOT COMPARED" in failed.stderr
