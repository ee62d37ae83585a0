"""The work tree brought to a target by hand, to compare with: docker, terraform and kubectl as one would type them.

Nothing is tested, scanned, shown or recorded. What runs afterwards is not what Git says: a deploy must follow.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.argocd import admitted, application
from pipeline.aws import account as aws
from pipeline.aws import registry
from pipeline.core import process
from pipeline.core.paths import LOCAL, ROOT, log_file
from pipeline.core.tools import tool
from pipeline.images import app as app_image
from pipeline.images import build, catalogue, push
from pipeline.releases import environments
from pipeline.releases.image_reference import ImageReference
from pipeline.releases.project import project
from pipeline.targets import kubernetes
from pipeline.terraform import roots

LOG = "bench-by-hand"
ROLLOUT_SECONDS = 300
#: Argo CD leaves an Application alone that has this annotation.
SKIP = "argocd.argoproj.io/skip-reconcile"


def ecs(image: ImageReference) -> None:
    """``terraform apply -auto-approve``; the service's resource waits until it is steady."""
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    wanted = environments.resolve(local, image.digest, LOCAL / "bench")
    root = roots.environment_root(wanted, aws.account(wanted).environ)
    variables = [f"-var={name}={value}" for name, value in root.variables.items()]
    options = ["-auto-approve", "-input=false", "-no-color", *variables]
    process.run(
        [tool("terraform"), "apply", *options],
        log=log_file(LOG),
        cwd=root.folder,
        env=roots.environ(root),
    )


def on_kubernetes(image: ImageReference) -> None:
    """``kubectl set image`` and ``kubectl rollout status``; the cluster refuses an image that nobody has listed."""
    cluster, name = kubernetes.connect(), project().name
    admitted.admit(cluster, environments.LOCAL_ENVIRONMENT, image, keep=None, protected=True)
    namespace = f"--namespace={application.namespace(environments.LOCAL_ENVIRONMENT)}"
    deployment = f"deployment/{name}"
    cluster.run(namespace, "set", "image", deployment, f"{name}={image}")
    cluster.run(namespace, "rollout", "status", deployment, f"--timeout={ROLLOUT_SECONDS}s")


#: The targets that an image is delivered to.
TARGETS: dict[str, Callable[[ImageReference], None]]
TARGETS = {"ecs": ecs, "kubernetes": on_kubernetes}


def deliver(target: str) -> None:
    """``docker build``, ``docker push``, and what starts the image; raises CommandFailedError as they do."""
    named = app_image.version()
    local = environments.load(environments.LOCAL_ENVIRONMENT)
    place, credentials = registry.reached(aws.account(local), local.repository)
    tag = f"{named.version}-by-hand"
    image = f"{project().image}:{tag}"
    bases = {argument: catalogue.provide(name) for argument, name in app_image.BASES.items()}
    build.build(ROOT, [image], named.created, {**bases, "APP_VERSION": tag})
    digest = push.push(image, place, tag, credentials).digest
    TARGETS[target](ImageReference(local.repository, digest))


@contextmanager
def undisturbed(target: str) -> Iterator[None]:
    """While the body runs Argo CD does not take back what is changed by hand."""
    if target != "kubernetes":
        yield
        return
    cluster, name = kubernetes.connect(), application.name(environments.LOCAL_ENVIRONMENT)
    annotate = ("--namespace=argocd", "annotate", "--overwrite", "applications", name)
    cluster.run(*annotate, f"{SKIP}=true")
    try:
        yield
    finally:
        cluster.run(*annotate, f"{SKIP}-")
