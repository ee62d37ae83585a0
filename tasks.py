"""The tasks: their arguments and help. What they do stands in pipeline/stages, one module a stage."""

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from pipeline.commands.runner import stage


@task(default=True)
def overview(_context: Context) -> None:
    """List the tasks in the order of the path."""
    from pipeline.commands import overview as shown

    shown.show(GROUPS)


@task
@stage("lint")
def lint(_context: Context) -> None:
    """Check formatting, types, YAML, HCL, the Dockerfile and shell scripts."""
    from pipeline.commands import lint as body

    body.run()


@task(name="format")
@stage("format")
def format_(_context: Context) -> None:
    """Mend what lint says of formatting, in place."""
    from pipeline.commands import lint as body

    body.mend()


@task(
    help={
        "fast": "leave out what needs Docker, the local AWS, Kubernetes or a browser",
        "all": "also what takes minutes each: the gauntlet, staging and production on the local AWS",
        "select": "a path or pytest argument; can be given several times",
    },
    iterable=["select"],
)
@stage("test")
def test(
    _context: Context,
    fast: bool = False,
    all: bool = False,
    select: list[str] | None = None,
) -> None:
    """Run the tests, setting up all that they need."""
    from pipeline.commands import test as body

    body.run(fast=fast, everything=all, select=select or [])


@task(help={"upgrade": "take the newest versions that fit"})
@stage("lock")
def lock(_context: Context, upgrade: bool = False) -> None:
    """Lock the Python packages with their hashes."""
    from pipeline.commands import lock_dependencies as body

    body.run(upgrade=upgrade)


@task
@stage("doctor")
def doctor(_context: Context) -> None:
    """Show which tools and ports there are, and what to do about the rest."""
    from pipeline.commands import doctor as body

    body.run()


@task(
    help={
        "event": "pull_request or push (a merge)",
        "since": "the revision that counts as main before the change",
        "fork": "pretend that the pull request comes from a fork",
    }
)
@stage("pipeline")
def pipeline(_context: Context, event: str, since: str | None = None, fork: bool = False) -> None:
    """Run the GitHub workflows of an event on this machine, with act."""
    from pipeline.commands import rehearse as body

    body.run(event, since=since, fork=fork)


@task(help={"since": "the revision before the change"})
@stage("affected")
def affected(_context: Context, since: str = "HEAD^1") -> None:
    """Say which stages a change can affect."""
    from pipeline.commands import affected as body

    body.run(since)


@task(
    help={
        "environment": "the environment whose file names the image",
        "digest": "the image, sha256:…",
    }
)
@stage("release")
def release(_context: Context, environment: str, digest: str) -> None:
    """Commit the digest of what was deployed to main (in workflows only)."""
    from pipeline.commands import release as body

    body.run(environment, digest)


@task(
    help={
        "environment": "the environment that was deployed",
        "digest": "the image that it runs, sha256:…",
    }
)
@stage("notes")
def notes(_context: Context, environment: str, digest: str) -> None:
    """Publish the release notes of a deployment (in workflows only)."""
    from pipeline.commands import notes as body

    body.run(environment, digest)


@task(name="drift-issue")
@stage("drift-issue")
def drift_issue(_context: Context) -> None:
    """Keep the one issue that tells of drift (in workflows only)."""
    from pipeline.commands import drift_issue as body

    body.run()


@task(help={"number": "the pull request"})
@stage("comment")
def comment(_context: Context, number: int) -> None:
    """Write the results into the one comment of a pull request (in workflows only)."""
    from pipeline.commands import comment as body

    body.run(number)


@task
@stage("gate")
def gate(_context: Context) -> None:
    """Require that every needed job passed or was left out on purpose (in workflows only)."""
    from pipeline.commands import gate as body

    body.run()


ENVIRONMENT = {"environment": "a file of environments/, without .yaml"}


@task(
    help={
        **ENVIRONMENT,
        "repository": "owner/name on GitHub whose workflows get roles; default: this checkout's origin",
    }
)
@stage("bootstrap")
def bootstrap(_context: Context, environment: str = "local", repository: str | None = None) -> None:
    """Prepare the environment's AWS account, once: state bucket, image registry, roles."""
    from pipeline.commands import bootstrap as body
    from pipeline.core import console

    console.info(body.run(environment, repository))


@task(help={"no_cache": "build every step anew"})
@stage("build")
def build(_context: Context, no_cache: bool = False) -> None:
    """Build the image of the work tree."""
    from pipeline.commands import build as body
    from pipeline.core import console

    console.info(body.run(no_cache=no_cache))


@task(help={"require_vulnerabilities": "fail when known vulnerabilities could not be looked up"})
@stage("scan")
def scan(_context: Context, require_vulnerabilities: bool = False) -> None:
    """Look for policy violations, secrets and known vulnerabilities; say what was not looked at."""
    from pipeline.commands import scan as body
    from pipeline.core import console

    console.info(body.run(require_vulnerabilities=require_vulnerabilities))


@task(
    help={
        **ENVIRONMENT,
        "preview": "to the repository of previews, which no environment runs from",
    }
)
@stage("push")
def push(_context: Context, environment: str = "local", preview: bool = False) -> None:
    """Push the image that was built to the environment's registry; prints its digest."""
    from pipeline.commands import push as body
    from pipeline.core import console

    console.info(body.run(environment, preview=preview))


@task(
    help={
        **ENVIRONMENT,
        "digest": "the image to run (sha256:…); default: the one pushed last",
        "lock": "hold the state's lock meanwhile; --no-lock for a plan that nobody applies",
    }
)
@stage("plan")
def plan(
    _context: Context, environment: str = "local", digest: str | None = None, lock: bool = True
) -> None:
    """Show what an apply would change and what that costs a month; save the plan."""
    from pipeline.commands import plan as body

    body.run(environment, digest=digest or None, lock=lock)


@task(
    help={
        **ENVIRONMENT,
        "acknowledge": "the address of a resource whose loss is meant; can be given several times",
    },
    iterable=["acknowledge"],
)
@stage("apply")
def apply(
    _context: Context, environment: str = "local", acknowledge: list[str] | None = None
) -> None:
    """Apply exactly the saved plan, then compare what runs with what was wanted."""
    from pipeline.commands import apply as body
    from pipeline.core import console

    console.info(body.run(environment, acknowledged=acknowledge or []))


@task(
    help={
        **ENVIRONMENT,
        "to": "ecs (default) or kubernetes",
        "digest": "the digest that must run; default: that of the task definition",
        "journeys": "afterwards do there what an organiser and guests do",
    }
)
@stage("verify")
def verify(
    _context: Context,
    environment: str = "local",
    to: str = "ecs",
    digest: str | None = None,
    journeys: bool = False,
) -> None:
    """Ask the URL until every replica has answered with the wanted digest."""
    from pipeline.commands import verify as body
    from pipeline.core import console

    console.info(body.run(environment, to=to, digest=digest or None, journeys_too=journeys))


@task(
    help={
        "to": "ecs (default), kubernetes or compose",
        "redo": "run the tests also when nothing has changed since they passed",
    }
)
@stage("deploy")
def deploy(_context: Context, to: str = "ecs", redo: bool = False) -> None:
    """Bring the work tree to a target on this machine: all stages in order; ends with the URL."""
    from pipeline.commands import deploy as delivery

    delivery.deploy(to, redo=redo)


@task(
    positional=["action"],
    help={
        "action": "up, down or status",
        "context": "use this cluster of yours from now on (a context of your kubeconfig)",
    },
)
@stage("cluster")
def cluster(_context: Context, action: str, context: str | None = None) -> None:
    """Start, remove or show the local Kubernetes, or choose a cluster of yours."""
    from pipeline.commands import cluster as body

    body.run(action, context)


@task(
    help={
        **ENVIRONMENT,
        "digest": "the image to run (sha256:…); default: the one that was pushed or that Git names",
    }
)
@stage("sync")
def sync(_context: Context, environment: str = "local", digest: str | None = None) -> None:
    """Have Argo CD bring an environment to what Git says, and wait until it is there."""
    from pipeline.commands import sync as body
    from pipeline.core import console

    console.info(body.run(environment, digest or None))


@task(
    positional=["source", "target"],
    help={"source": "the environment that has the image", "target": "the one that is to get it"},
)
@stage("promote")
def promote(_context: Context, source: str, target: str) -> None:
    """Give an environment the image that another one runs, by a commit."""
    from pipeline.commands import promote as body
    from pipeline.core import console

    console.info(body.run(source, target))


@task(
    positional=["environment"],
    help={**ENVIRONMENT, "revision": "go back to what this commit said; default: one release back"},
)
@stage("rollback")
def rollback(_context: Context, environment: str, revision: str | None = None) -> None:
    """Give an environment the image back that it had, by a commit."""
    from pipeline.commands import rollback as body
    from pipeline.core import console

    console.info(body.run(environment, revision or None))


@task(help={"json": "one JSON object on standard output"})
@stage("status")
def status(_context: Context, json: bool = False) -> None:
    """Show what is live on each target."""
    from pipeline.commands import status as body

    body.run(as_json=json)


@task
@stage("down")
def down(_context: Context) -> None:
    """Remove everything that this checkout started, and nothing else."""
    from pipeline.commands import down as body
    from pipeline.core import console

    console.info(body.run())


@task(
    help={
        **ENVIRONMENT,
        "lock": "the lock's id, as the refusal told",
        "bootstrap": "of the state that ./inv bootstrap made for the environment's account",
    },
)
@stage("unlock")
def unlock(_context: Context, environment: str, lock: str, bootstrap: bool = False) -> None:
    """Remove a lock on an environment's state whose holder is dead."""
    from pipeline.commands import unlock as body
    from pipeline.core import console

    console.info(body.run(environment, lock, of_bootstrap=bootstrap))


@task(help={**ENVIRONMENT, "confirm": "the environment's name once more"})
@stage("destroy")
def destroy(_context: Context, environment: str, confirm: str = "") -> None:
    """Destroy all that Terraform made for an environment; refuses while it is protected."""
    from pipeline.commands import destroy as body
    from pipeline.core import console

    console.info(body.run(environment, confirm=confirm))


@task(help={**ENVIRONMENT})
@stage("drift")
def drift(_context: Context, environment: str = "local") -> None:
    """Name what runs differently from what Git says, on ECS and on Kubernetes."""
    from pipeline.commands import drift as body
    from pipeline.core import console

    console.info(body.run(environment))


@task(
    help={
        "what": "backup or restore",
        "file": "the backup",
        "url": "sqlite:////path or postgresql://…; default: DATABASE_URL",
        "replace": "let a restore overwrite what the database holds",
    }
)
@stage("db")
def db(
    _context: Context, what: str, file: str, url: str | None = None, replace: bool = False
) -> None:
    """Back up or restore a database of the application: `./inv db backup FILE`."""
    from pipeline.commands import db as body
    from pipeline.core import console

    console.info(body.run(what, file, url=url, replace=replace))


@task(help={"what": "app, image, plan or rollout"})
@stage("bench")
def bench(_context: Context, what: str) -> None:
    """Measure speed, size or lost requests in one run: `./inv bench app`, `image`, `plan` or `rollout`."""
    from pipeline.commands import bench as benchmarks
    from pipeline.core import console

    console.info(benchmarks.run(what))


#: The tasks as `./inv` lists them: by group, in the order of the path.
GROUPS = {
    "Check a change": [lint, format_, test],
    "Build and deploy": [build, scan, push, plan, apply, sync, verify, deploy],
    "After the deployment": [promote, rollback, drift, unlock, destroy, db, bench],
    "Look and clean up": [status, down, cluster, doctor, lock, bootstrap],
    "In workflows": [pipeline, affected, gate, comment, release, notes, drift_issue],
}

ns = Collection(overview, *(one for group in GROUPS.values() for one in group))
