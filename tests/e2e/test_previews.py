"""Previews of pull requests: the ApplicationSet as it is in Git, with a stand-in for GitHub that pods can reach."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from ruamel.yaml import YAML

from localgithub import server
from localgithub.api import Store
from pipeline.core import process
from pipeline.kubernetes.programs import program
from pipeline.releases.project import project
from pipeline.targets import web
from tests.acceptance.journeys import create_gathering
from tests.e2e.checkout import Checkout
from tests.e2e.kube import NAME, OnKubernetes, eventually

pytestmark = [pytest.mark.engine, pytest.mark.e2e, pytest.mark.long]

REPOSITORY = f"example/{NAME}"
TOKEN = "previews-token"
BRANCH = "feature"
REFRESH = "argocd.argoproj.io/application-set-refresh"
#: The application's database is started and its image pulled.
PREVIEW_SECONDS = 180


@dataclass
class GitHub:
    """The stand-in, on an address that pods reach; it keeps its pull requests while it is away."""

    host: str
    store: Store = field(default_factory=Store)
    url: str = ""
    _served: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Serves, on the same port as before."""
        served = server.serve(
            REPOSITORY, TOKEN, host=self.host, port=urlsplit(self.url).port or 0, store=self.store
        )
        self.url = self._served.enter_context(served)[0]

    def stop(self) -> None:
        """Ends the server: connections are refused."""
        self._served.close()


@dataclass(frozen=True)
class Previews:
    """The clone's cluster with the ApplicationSet of previews."""

    kubernetes: OnKubernetes
    github: GitHub

    def set_token(self, token: str) -> None:
        """Changes the token that Argo CD sends."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "github-token"},
            "stringData": {"token": token},
        }
        self.kubernetes.cluster.apply(json.dumps(secret), namespace="argocd")

    def look(self) -> None:
        """Has Argo CD ask for the pull requests now instead of at its next poll."""
        # Only a request that was not there before is seen; one that failed stays.
        for change in (f"{REFRESH}-", f"{REFRESH}=true"):
            self.kubernetes.kubectl(
                *("-n", "argocd", "annotate", "applicationsets", "previews", change)
            )

    def complaint(self) -> str:
        """Why Argo CD could not list the pull requests; empty when it could."""
        found = self.kubernetes.cluster.get("applicationsets.argoproj.io", "previews", "argocd")
        conditions = (found or {}).get("status", {}).get("conditions", [])
        return " ".join(
            one["message"]
            for one in conditions
            if one["type"] == "ErrorOccurred" and one["status"] == "True"
        )

    def complains_of(self, words: str) -> bool:
        """Whether Argo CD, asked again, complains so."""
        self.look()
        return words in self.complaint()

    def applications(self) -> dict[str, dict[str, Any]]:
        """The previews that there are, by name."""
        found = self.kubernetes.cluster.items("applications.argoproj.io", "argocd", "preview")
        return {one["metadata"]["name"]: one for one in found}


@dataclass(frozen=True)
class Preview:
    """The preview of one pull request."""

    previews: Previews
    pull: dict[str, Any]

    @property
    def name(self) -> str:
        """Its Application and its namespace."""
        return f"{NAME}-preview-{self.pull['number']}"

    @property
    def commit(self) -> str:
        """The pull request's newest commit."""
        return str(self.pull["head"]["sha"])

    def get(self, kind: str, name: str = NAME) -> dict[str, Any]:
        """An object of its namespace."""
        found = self.previews.kubernetes.cluster.get(kind, name, self.name)
        assert found is not None
        return found

    @property
    def version(self) -> str:
        """The version that ``./inv build`` gives that commit."""
        return f"0.0.0-g{self.commit[:12]}"

    def wanted(self) -> str:
        """The version that Argo CD is to bring it to; empty while there is no Application."""
        found = self.previews.applications().get(self.name)
        return str(found["spec"]["source"]["helm"]["valuesObject"]["image"]["tag"]) if found else ""

    def is_there(self) -> bool:
        """Whether it is Synced and Healthy, and answers as the pull request's commit."""
        status = self.previews.applications().get(self.name, {}).get("status", {})
        sync, health = status.get("sync", {}), status.get("health", {})
        if (sync.get("status"), health.get("status")) != ("Synced", "Healthy"):
            return False
        try:
            return bool(web.ask(self.url())["commit"] == self.commit)
        except httpx.HTTPError:
            return False

    def url(self) -> str:
        """Where its load balancer answers."""
        ingress = self.get("service")["status"]["loadBalancer"]["ingress"]
        return f"http://{ingress[0]['ip']}"

    def image(self) -> str:
        """The image that its Deployment asks for."""
        pod = self.get("deployment")["spec"]["template"]["spec"]
        return str(pod["containers"][0]["image"])


def git(checkout: Checkout, *arguments: str) -> str:
    """What Git says in the clone."""
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    return process.capture(["git", *identity, *arguments], cwd=checkout.folder).strip()


def push_commit(checkout: Checkout, *options: str) -> str:
    """Brings the clone's commit to the Git stand-in, as a branch; returns it."""
    git(checkout, "push", "--quiet", *options, stand_in(checkout), f"HEAD:refs/heads/{BRANCH}")
    return git(checkout, "rev-parse", "HEAD")


def push_image(checkout: Checkout) -> None:
    """Builds the clone's commit and pushes the image as .github/workflows/preview.yml does."""
    checkout.inv("build")
    checkout.inv("push", "--environment", "staging", "--preview", LOCAL_AWS="1")


def stand_in(checkout: Checkout) -> str:
    """The repository that Argo CD reads."""
    return str(checkout.folder / ".local" / "gitops" / "delivery.git")


def application_set(checkout: Checkout, folder: Path, **repository: str) -> str:
    """The previews of argocd/apps/base as kustomize makes them with this in repository.yaml."""
    shutil.copytree(checkout.folder / "argocd" / "apps" / "base", folder)
    file = folder / "repository.yaml"
    yaml = YAML(typ="safe")
    settings = yaml.load(file.read_text(encoding="utf-8"))
    settings["data"] |= repository
    file.write_text(json.dumps(settings), encoding="utf-8")
    built = process.capture([program("kubectl"), "kustomize", folder])
    (found,) = [one for one in yaml.load_all(built) if one["metadata"]["name"] == "previews"]
    return json.dumps(found)


@pytest.fixture(scope="module")
def previews(
    kubernetes: OnKubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Previews]:
    """The ApplicationSet on the cluster; afterwards clone and cluster are as they were."""
    checkout = kubernetes.checkout
    source = kubernetes.application()["spec"]["source"]
    url, revision = source["repoURL"], source["targetRevision"]
    github = GitHub(str(urlsplit(url).hostname))
    github.start()
    found = Previews(kubernetes, github)
    found.set_token(TOKEN)
    owner, _, name = REPOSITORY.partition("/")
    folder = tmp_path_factory.mktemp("previews") / "base"
    kubernetes.cluster.apply(
        application_set(
            *(checkout, folder),
            **{"url": url, "revision": revision, "owner": owner, "name": name},
            api=f"{github.url}/",
        )
    )
    git(checkout, "checkout", "--quiet", "-b", BRANCH)
    yield found
    kubernetes.kubectl("-n", "argocd", "delete", "applicationset", "previews")
    eventually(lambda: not found.applications(), 120, "no preview is left")
    kubernetes.kubectl("-n", "argocd", "delete", "secret", "github-token")
    github.stop()
    git(checkout, "checkout", "--quiet", "--force", "-")
    git(checkout, "branch", "--quiet", "-D", BRANCH)
    git(checkout, "push", "--quiet", "--delete", stand_in(checkout), BRANCH)
    # What was built last is the clone's commit again.
    for task in ("build", "push"):
        checkout.inv(task)


@pytest.fixture(scope="module")
def pull(previews: Previews) -> dict[str, Any]:
    """An open pull request with the label, beside one without, whose image is there."""
    checkout = previews.kubernetes.checkout
    commit = push_commit(checkout)
    previews.github.store.open_pull("unlabelled", commit, "documentation")
    push_image(checkout)
    return previews.github.store.open_pull(BRANCH, commit, "preview", "documentation")


@pytest.fixture
def preview(previews: Previews, pull: dict[str, Any]) -> Preview:
    """The pull request's preview, running."""
    found = Preview(previews, pull)
    pull["state"] = "open"
    previews.look()
    eventually(found.is_there, PREVIEW_SECONDS, "the preview runs")
    return found


def test_a_pull_request_with_the_label_gets_a_preview_of_its_commit(preview: Preview) -> None:
    assert set(preview.previews.applications()) == {preview.name}
    assert "GET pulls" in preview.previews.github.store.calls
    repository = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{NAME}-preview"
    assert preview.image() == f"{repository}:{preview.version}"
    answer = web.ask(preview.url())
    assert (answer["version"], answer["environment"]) == (preview.version, "preview")


def test_a_preview_has_something_to_look_at(preview: Preview) -> None:
    url = f"{preview.url()}{project().previews.path}"
    eventually(lambda: httpx.get(url, timeout=10).status_code == 200, 60, "it is filled")


def test_a_preview_has_a_database_of_its_own(preview: Preview) -> None:
    assert preview.get("statefulset", f"{NAME}-database")["status"]["readyReplicas"] == 1
    gathering = create_gathering(preview.url())
    assert gathering.title in httpx.get(gathering.guest_url, timeout=10).text
    elsewhere = f"{preview.previews.kubernetes.url}{gathering.guest_path}"
    assert httpx.get(elsewhere, timeout=10).status_code == 404


def test_previews_stay_while_github_is_away_or_refuses_the_token(preview: Preview) -> None:
    previews, github = preview.previews, preview.previews.github

    def stays() -> None:
        found = previews.applications()[preview.name]
        assert "deletionTimestamp" not in found["metadata"]
        assert web.is_ready(preview.url())

    github.stop()
    try:
        eventually(
            lambda: previews.complains_of("connection refused"), 60, "Argo CD gets no answer"
        )
        stays()
    finally:
        github.start()
    previews.set_token("expired")
    try:
        eventually(lambda: previews.complains_of("401 Bad credentials"), 60, "the token is refused")
        stays()
    finally:
        previews.set_token(TOKEN)
    previews.look()
    eventually(lambda: not previews.complaint(), 60, "Argo CD can list pull requests again")
    stays()


def test_a_new_commit_moves_the_preview_as_soon_as_its_image_is_there(preview: Preview) -> None:
    checkout, before = preview.previews.kubernetes.checkout, preview.commit
    gathering = create_gathering(preview.url())
    checkout.edit(
        "app/thanksgiving/views/system.py", r'_plain\("ready"\)', '_plain("ready to be looked at")'
    )
    git(checkout, "commit", "--quiet", "--all", "--message", "Say it otherwise")
    preview.pull["head"]["sha"] = push_commit(checkout)
    preview.previews.look()
    eventually(lambda: preview.wanted() == preview.version, 60, "Argo CD sees the commit")
    # On GitHub the image is built only now.
    assert web.ask(preview.url())["commit"] == before
    push_image(checkout)
    eventually(preview.is_there, PREVIEW_SECONDS, "the preview runs the new commit")
    assert httpx.get(f"{preview.url()}/readyz", timeout=10).text == "ready to be looked at\n"
    assert gathering.title in httpx.get(gathering.guest_url, timeout=10).text


def test_the_chart_of_a_pull_request_is_not_what_its_preview_is_made_of(preview: Preview) -> None:
    checkout, chart = preview.previews.kubernetes.checkout, f"infra/helm/{NAME}/templates"
    cluster = preview.previews.kubernetes.cluster
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": f"{NAME}-elsewhere"},
    }
    file = checkout.folder / chart / "namespace.yaml"
    file.write_text(json.dumps(namespace), encoding="utf-8")
    git(checkout, "add", chart)
    git(checkout, "commit", "--quiet", "--message", "Claim a namespace")
    preview.pull["head"]["sha"] = push_commit(checkout)
    preview.previews.look()
    probe = f"{NAME}-preview-probe"
    try:
        push_image(checkout)
        eventually(preview.is_there, PREVIEW_SECONDS, "the preview runs the commit's image")
        assert cluster.get("namespace", f"{NAME}-elsewhere") is None
        # Rendered all the same, it would be held by the project.
        spec = preview.previews.applications()[preview.name]["spec"]
        spec["source"]["targetRevision"] = preview.commit
        application = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": probe},
            "spec": spec,
        }
        cluster.apply(json.dumps(application), namespace="argocd")
        eventually(
            lambda: "is not permitted in project" in said(preview.previews.kubernetes, probe),
            60,
            "it is not permitted",
        )
        assert cluster.get("namespace", f"{NAME}-elsewhere") is None
    finally:
        preview.previews.kubernetes.kubectl(
            *("-n", "argocd", "delete", "application", probe, "--ignore-not-found")
        )
        git(checkout, "reset", "--quiet", "--hard", "HEAD~1")
        preview.pull["head"]["sha"] = push_commit(checkout, "--force")


def said(kubernetes: OnKubernetes, application: str) -> str:
    """What Argo CD says of an Application's last sync, with what it says of each object."""
    found = kubernetes.cluster.get("applications.argoproj.io", application, "argocd") or {}
    state = found.get("status", {}).get("operationState", {})
    results = state.get("syncResult", {}).get("resources", [])
    return " ".join([state.get("message", ""), *(each["message"] for each in results)])


def test_nothing_of_a_preview_is_left_when_its_pull_request_is_closed(preview: Preview) -> None:
    cluster = preview.previews.kubernetes.cluster
    claim = preview.get("persistentvolumeclaim", f"data-{NAME}-database-0")
    volume = claim["spec"]["volumeName"]
    preview.pull["state"] = "closed"
    preview.previews.look()
    eventually(lambda: not preview.previews.applications(), 120, "the Application is gone")
    assert cluster.get("namespace", preview.name) is None
    eventually(lambda: cluster.get("persistentvolume", volume) is None, 60, "the volume is gone")
