"""The tasks: their arguments and help. Each is a module of pipeline/commands, imported when it runs."""

import sys
from itertools import takewhile

from invoke.collection import Collection
from invoke.context import Context
from invoke.parser import Parser
from invoke.parser.context import ParserContext
from invoke.tasks import task

from pipeline.commands import Result
from pipeline.runner import command


@task(default=True)
@command
def overview(_context: Context) -> Result:
    """List the tasks in the order of the path."""
    from pipeline.commands import overview as body

    return body.run(GROUPS)


@task
@command
def lint(_context: Context) -> Result:
    """Check formatting, types, YAML, HCL, the Dockerfile and shell scripts."""
    from pipeline.commands import lint as body

    return body.run()


@task(name="format")
@command
def format_(_context: Context) -> Result:
    """Fix formatting in place."""
    from pipeline.commands import format as body

    return body.run()


@task(
    help={
        "fast": "leave out what needs Docker, the local AWS, Kubernetes or a browser",
        "changed": "of the fast ones, the groups whose files have changed since they passed",
        "all": "also what takes minutes each: the gauntlet, staging and production on the local AWS",
        "select": "a path or pytest argument; can be given several times",
    },
    iterable=["select"],
)
@command
def test(
    _context: Context,
    fast: bool = False,
    changed: bool = False,
    all: bool = False,
    select: list[str] | None = None,
) -> Result:
    """Run the tests, setting up all that they need."""
    from pipeline.commands import test as body

    return body.run(fast=fast, everything=all, changed=changed, select=select or [])


@task(name="lock-dependencies", help={"upgrade": "take the newest versions that fit"})
@command
def lock_dependencies(_context: Context, upgrade: bool = False) -> Result:
    """Lock the Python packages with their hashes."""
    from pipeline.commands import lock_dependencies as body

    return body.run(upgrade=upgrade)


@task
@command
def doctor(_context: Context) -> Result:
    """Show which tools and ports there are, and what to do about the rest."""
    from pipeline.commands import doctor as body

    return body.run()


@task(
    help={
        "event": "pull_request or push (a merge)",
        "since": "the revision that counts as main before the change",
        "fork": "pretend that the pull request comes from a fork",
    }
)
@command
def pipeline(_context: Context, event: str, since: str | None = None, fork: bool = False) -> Result:
    """Run the GitHub workflows of an event on this machine, with act."""
    from pipeline.commands import rehearse as body

    return body.run(event, since=since, fork=fork)


@task(help={"since": "the revision before the change"})
@command
def affected(_context: Context, since: str = "HEAD^1") -> Result:
    """Show which stages a change can affect."""
    from pipeline.commands import affected as body

    return body.run(since)


@task
@command
def docs(_context: Context) -> Result:
    """Build docs/ as a site, and check every link in it."""
    from pipeline.commands import docs as body

    return body.run()


@task(help={"since": "the revision before the change"})
@command
def diff(_context: Context, since: str = "HEAD^1") -> Result:
    """Show what a change makes of each environment on Kubernetes, as Argo CD would render it."""
    from pipeline.commands import diff as body

    return body.run(since)


@task(help={"days": "how long before an end of support the task fails"})
@command
def versions(_context: Context, days: str = "30") -> Result:
    """Show every pinned version, its newest release and the end of its support."""
    from pipeline.commands import versions as body

    return body.run(int(days))


@task(
    help={
        "since": "only those whose file has changed since this revision",
        "without": "an environment to leave out; can be given several times",
    },
    iterable=["without"],
)
@command
def environments(
    _context: Context, since: str | None = None, without: list[str] | None = None
) -> Result:
    """List the environments that are deployed (for the jobs of workflows)."""
    from pipeline.commands import environments as body

    return body.run(since, without or [])


@task(
    help={
        "environment": "the environment whose file names the image",
        "digest": "the image, sha256:…; with --check also empty, for the one that Git names",
        "check": "only look whether this checkout may still be deployed",
    }
)
@command
def release(_context: Context, environment: str, digest: str, check: bool = False) -> Result:
    """Commit the digest of what was deployed to main (in workflows only)."""
    from pipeline.commands import release as body

    return body.run(environment, digest, check=check)


@task(
    help={
        "environment": "the environment that was deployed",
        "digest": "the image that it runs, sha256:…",
    }
)
@command
def notes(_context: Context, environment: str, digest: str) -> Result:
    """Publish the release notes of a deployment (in workflows only)."""
    from pipeline.commands import notes as body

    return body.run(environment, digest)


@task(help={"environment": "the environment that was deployed; none means drift"})
@command
def issue(_context: Context, environment: str = "") -> Result:
    """Keep the issue about a failed deployment, or about drift (in workflows only)."""
    from pipeline.commands import issue as body

    return body.run(environment)


@task(help={"number": "the pull request"})
@command
def comment(_context: Context, number: str) -> Result:
    """Write the results into the one comment of a pull request (in workflows only)."""
    from pipeline.commands import comment as body

    return body.run(int(number))


@task(
    help={
        "environment": "what was deployed to; default: say which jobs of the workflow failed",
        "digest": "the image that was to be released; default: the one that Git names, a promotion",
    }
)
@command
def notify(_context: Context, environment: str | None = None, digest: str = "") -> Result:
    """Tell a webhook of a deployment, or of what failed (in workflows only)."""
    from pipeline.commands import notify as body

    return body.run(environment, digest)


@task(
    help={
        "number": "the pull request",
        "commit": "the commit whose image has been pushed; without it: that the preview is gone, or a fork's label off",
    }
)
@command
def preview(_context: Context, number: str, commit: str | None = None) -> Result:
    """Show a pull request's preview in its comment and as a deployment (in workflows only)."""
    from pipeline.commands import preview as body

    return body.run(number, commit or None)


@task
@command
def expire_previews(_context: Context) -> Result:
    """Take the label off pull requests that had no push for days (in workflows only)."""
    from pipeline.commands import expire_previews as body

    return body.run()


@task
@command
def gate(_context: Context) -> Result:
    """Require that every needed job passed or was left out on purpose (in workflows only)."""
    from pipeline.commands import gate as body

    return body.run()


ENVIRONMENT = {"environment": "a file of environments/, without .yaml"}
OVERRIDE = {"override": "why it changes in a freeze"}


@task(
    help={
        **ENVIRONMENT,
        "repository": "owner/name on GitHub whose workflows get roles; default: this checkout's origin",
        "acknowledge": "the address of a resource whose loss is meant; can be given several times",
    },
    iterable=["acknowledge"],
)
@command
def bootstrap(
    _context: Context,
    environment: str = "local",
    repository: str | None = None,
    owner_id: str | None = None,
    repository_id: str | None = None,
    acknowledge: list[str] | None = None,
) -> Result:
    """Prepare the environment's AWS account, once: state bucket, image registry, roles."""
    from pipeline.commands import bootstrap as body

    return body.run(environment, repository, owner_id, repository_id, acknowledge or [])


@task(help={"no_cache": "build every step anew"})
@command
def build(_context: Context, no_cache: bool = False) -> Result:
    """Build the image of the work tree."""
    from pipeline.commands import build as body

    return body.run(no_cache=no_cache)


@task(
    help={
        "only": "policies, secrets, image or packages; default: all",
        "require_vulnerabilities": "fail when known vulnerabilities could not be looked up",
    }
)
@command
def scan(
    _context: Context, only: str | None = None, require_vulnerabilities: bool = False
) -> Result:
    """Look for policy violations, secrets and known vulnerabilities."""
    from pipeline.commands import scan as body

    return body.run(only=only, require_vulnerabilities=require_vulnerabilities)


@task(
    help={
        **ENVIRONMENT,
        "preview": "to the repository of previews, which no environment runs from",
    }
)
@command
def push(_context: Context, environment: str = "local", preview: bool = False) -> Result:
    """Push the image that was built to the environment's registry; prints its digest."""
    from pipeline.commands import push as body

    return body.run(environment, preview=preview)


@task(positional=["digest"], help={"digest": "the released image (sha256:…)", **ENVIRONMENT})
@command
def rebuild(_context: Context, digest: str, environment: str = "local") -> Result:
    """Build a released image again from its commit, and compare."""
    from pipeline.commands import rebuild as body

    return body.run(digest, environment)


@task(
    help={
        **ENVIRONMENT,
        "digest": "the image to run (sha256:…); default: the one in Git, for local the one pushed last",
        "lock": "hold the state's lock meanwhile; --no-lock for a plan that nobody applies",
    }
)
@command
def plan(
    _context: Context, environment: str = "local", digest: str | None = None, lock: bool = True
) -> Result:
    """Show what an apply would change and what that costs a month; save the plan."""
    from pipeline.commands import plan as body

    return body.run(environment, digest=digest or None, lock=lock)


@task(
    help={
        **ENVIRONMENT,
        **OVERRIDE,
        "acknowledge": "the address of a resource whose loss is meant, or aws.budget_usd; can be given several times",
    },
    iterable=["acknowledge"],
)
@command
def apply(
    _context: Context,
    environment: str = "local",
    acknowledge: list[str] | None = None,
    override: str = "",
) -> Result:
    """Apply exactly the saved plan, then check what AWS runs."""
    from pipeline.commands import apply as body

    return body.run(environment, acknowledged=acknowledge or [], override=override)


@task(
    help={
        **ENVIRONMENT,
        "to": "ecs (default), kubernetes or compose",
        "digest": "the digest that must run; default: the one that the target wants",
        "smoke": "afterwards run the smoke test of project.yaml against the URL",
        "record": "on every engine, and note that in Git, for promotions",
    }
)
@command
def verify(
    _context: Context,
    environment: str = "local",
    to: str = "ecs",
    digest: str | None = None,
    smoke: bool = False,
    record: bool = False,
) -> Result:
    """Ask the URL until every replica has answered with the wanted digest."""
    from pipeline.commands import verify as body

    return body.run(environment, to=to, digest=digest or None, smoke=smoke, record=record)


@task(
    help={
        "to": "ecs (default), kubernetes or compose",
        "redo": "run the tests also when nothing has changed since they passed",
    }
)
@command
def deploy(_context: Context, to: str = "ecs", redo: bool = False) -> Result:
    """Bring the work tree to a target on this machine: all stages in order; ends with the URL."""
    from pipeline.commands import deploy as body

    return body.run(to, redo=redo)


@task(help={"to": "ecs (default) or kubernetes; compose shows what is saved by itself"})
@command
def dev(_context: Context, to: str = "ecs") -> Result:
    """Put each saved file of app/ into what runs on this machine, until Ctrl-C."""
    from pipeline.commands import dev as body

    return body.run(to)


@task(
    positional=["action"],
    help={
        "action": "up, down or status",
        "context": "use this cluster of yours from now on (a context of your kubeconfig)",
    },
)
@command
def cluster(_context: Context, action: str, context: str | None = None) -> Result:
    """Start, remove or show the local Kubernetes, or choose a cluster of yours."""
    from pipeline.commands import cluster as body

    return body.run(action, context)


@task(
    help={
        **ENVIRONMENT,
        **OVERRIDE,
        "digest": "the image to run (sha256:…); default: the one that was pushed or that Git names",
    }
)
@command
def sync(
    _context: Context, environment: str = "local", digest: str | None = None, override: str = ""
) -> Result:
    """Have Argo CD bring an environment to what Git says, and wait until it is there."""
    from pipeline.commands import sync as body

    return body.run(environment, digest or None, override=override)


@task(
    positional=["source", "target"],
    help={
        "source": "the environment that has the image",
        "target": "the one that is to get it",
        "digest": "an image that the source ran, sha256:…; default: the one that it runs",
        "override": "why it is promoted in a freeze or, with --digest, in spite of what it lacks",
        "explain": "list what each release lacks, and change nothing",
    },
)
@command
def promote(
    _context: Context,
    source: str,
    target: str,
    digest: str | None = None,
    override: str = "",
    explain: bool = False,
) -> Result:
    """Give an environment the image, chart and Terraform code that another one runs, by a commit."""
    from pipeline.commands import promote as body

    return body.run(source, target, digest=digest or None, override=override, explain=explain)


@task(
    positional=["environment"],
    help={
        **ENVIRONMENT,
        "revision": "go back to what this commit said; default: one release back",
        "reason": "why, for the commit and ./inv history",
        "failed": "the deployment of this checkout has failed (in workflows only)",
        "digest": "with --failed: the image that was to be released; empty: the one that Git names",
    },
)
@command
def rollback(
    _context: Context,
    environment: str,
    revision: str | None = None,
    reason: str = "",
    failed: bool = False,
    digest: str = "",
) -> Result:
    """Give an environment back what it ran before: image, settings and revision, by a commit."""
    from pipeline.commands import rollback as body

    return body.run(environment, revision or None, reason=reason, failed=failed, digest=digest)


@task(
    positional=["application"],
    help={
        "application": "the application: a folder or a Git address; default: what lies in app/",
        "name": "of the chart, the service, the image and the namespaces",
        "title": "for people; default: the name",
        "repository": "this repository on GitHub, owner/name",
        "account": "the AWS account, 12 digits",
        "region": "the AWS region",
        "domain": "production's domain; the other environments are below it",
        "wsgi": "what gunicorn serves, module:callable; default: what is found",
        "database": "postgresql, sqlite or none; default: what is found",
        "dry_run": "show what would change, and change nothing",
        "checks": "run lint and the fast tests afterwards",
    },
)
@command
def adopt(  # noqa: PLR0917 - the options of the task
    _context: Context,
    application: str | None = None,
    name: str | None = None,
    title: str | None = None,
    repository: str | None = None,
    account: str | None = None,
    region: str | None = None,
    domain: str | None = None,
    wsgi: str | None = None,
    database: str | None = None,
    dry_run: bool = False,
    checks: bool = True,
) -> Result:
    """Make this repository deliver an application of yours."""
    from pipeline.commands import adopt as body

    given = {name: value for name, value in locals().items() if name in body.FIELDS}
    given["source"] = application
    return body.run(given, dry_run=dry_run, checks=checks)


@task(
    positional=["delivery"],
    help={
        "delivery": "the delivery repository: a folder or a Git address",
        "to": "its tag, branch or commit",
        "base": "the commit of it that was adopted; default: found by project.yaml",
        "checks": "run lint and the fast tests afterwards",
    },
)
@command
def upgrade(
    _context: Context,
    delivery: str,
    to: str = "main",
    base: str | None = None,
    checks: bool = True,
) -> Result:
    """Take a later version of the delivery repository, by a three-way merge that keeps your edits."""
    from pipeline.commands import upgrade as body

    return body.run(delivery, to, base, checks=checks)


@task(
    name="github-setup",
    help={
        "app_client_id": "client id of the release app, Iv23…",
        "app_id": "id of the release app, which may pass the branch rules; without it no rules are set",
        "dry_run": "print what would be set",
    },
)
@command
def github_setup(
    _context: Context,
    app_client_id: str | None = None,
    app_id: str | None = None,
    dry_run: bool = False,
) -> Result:
    """Set environments, variables, label and branch rules on GitHub, where they differ."""
    from pipeline.commands import github_setup as body

    return body.run(app_client_id, app_id, dry_run=dry_run)


@task(
    help={
        "environment": "one environment; else all that ever had a release",
        "days": "of the figures (90)",
        "json": "print JSON with all entries",
        "html": "also write a page, .local/history.html",
    },
)
@command
def history(
    _context: Context,
    environment: str | None = None,
    days: str = "90",
    json: bool = False,
    html: bool = False,
) -> Result:
    """Show what was released, promoted and rolled back, by whom and when, and DORA's figures."""
    from pipeline.commands import history as body

    return body.run(environment, days=int(days), as_json=json, html=html)


TO = {"to": "ecs (default), kubernetes or compose"}


@task(
    positional=["environment"],
    help={**ENVIRONMENT, "json": "one JSON object on standard output"},
)
@command
def explain(_context: Context, environment: str, json: bool = False) -> Result:
    """Show the life of the last deployment: changes, checks, approvals, engines, figures, why it went."""
    from pipeline.commands import explain as body

    return body.run(environment, as_json=json)


@task(
    help={
        **TO,
        **ENVIRONMENT,
        "since": "how far back: 10m, 1h30m",
        "follow": "go on with what is new, until Ctrl-C",
        "replica": "only of the replica whose name ends so, as the second column shows",
        "fields": "of JSON lines these fields alone: status,path",
    },
)
@command
def logs(  # noqa: PLR0917 - the options of the task
    _context: Context,
    to: str = "ecs",
    environment: str = "local",
    since: str = "10m",
    follow: bool = False,
    replica: str | None = None,
    fields: str = "",
) -> Result:
    """Print what the application prints, the same on each target."""
    from pipeline.commands import logs as body

    chosen = [field for field in fields.split(",") if field]
    return body.run(to, environment, since=since, follow=follow, replica=replica, fields=chosen)


@task(
    name="exec",
    positional=["command"],
    help={
        "command": 'one argument: "python -m module"; the image has no shell',
        **TO,
        **ENVIRONMENT,
        "replica": "the replica whose name ends so; default: the first",
    },
)
@command
def exec_(
    _context: Context,
    command: str,
    to: str = "ecs",
    environment: str = "local",
    replica: str | None = None,
) -> Result:
    """Run a command in a running replica, and end with its exit code."""
    from pipeline.commands import exec as body

    return body.run(command, to, environment, replica=replica)


@task(name="open", help={**TO, **ENVIRONMENT})
@command
def open_(_context: Context, to: str = "ecs", environment: str = "local") -> Result:
    """Print where the application answers, and open it where there is a display."""
    from pipeline.commands import open as body

    return body.run(to, environment)


@task(help={**TO, **ENVIRONMENT, "since": "how far back: 10m, 1h30m"})
@command
def events(
    _context: Context, to: str = "ecs", environment: str = "local", since: str = "1h"
) -> Result:
    """Show what the engine says happened: starts, stops and their reasons."""
    from pipeline.commands import events as body

    return body.run(to, environment, since=since)


@task(help={"json": "one JSON object on standard output"})
@command
def status(_context: Context, json: bool = False) -> Result:
    """Show what is live on each target."""
    from pipeline.commands import status as body

    return body.run(as_json=json)


@task
@command
def down(_context: Context) -> Result:
    """Remove everything that this checkout started, and nothing else."""
    from pipeline.commands import down as body

    return body.run()


@task(
    aliases=["unlock-state"],
    help={
        **ENVIRONMENT,
        "lock": "the lock's id, as the refusal shows it",
        "bootstrap": "of the state that ./inv bootstrap made for the environment's account",
    },
)
@command
def unlock(_context: Context, environment: str, lock: str, bootstrap: bool = False) -> Result:
    """Remove a lock on an environment's state whose holder is dead."""
    from pipeline.commands import unlock as body

    return body.run(environment, lock, of_bootstrap=bootstrap)


@task(help={**ENVIRONMENT, "confirm": "the environment's name once more"})
@command
def destroy(_context: Context, environment: str, confirm: str = "") -> Result:
    """Destroy all that Terraform made for an environment; refuses while it is protected."""
    from pipeline.commands import destroy as body

    return body.run(environment, confirm=confirm)


@task(help={**ENVIRONMENT})
@command
def drift(_context: Context, environment: str = "local") -> Result:
    """Name what runs differently from what Git says, on ECS and on Kubernetes."""
    from pipeline.commands import drift as body

    return body.run(environment)


@task(
    help={
        "what": "backup or restore",
        "file": "the backup",
        "url": "sqlite:////path or postgresql://…; default: DATABASE_URL",
        "replace": "let a restore overwrite what the database holds",
    }
)
@command
def db(
    _context: Context, what: str, file: str, url: str | None = None, replace: bool = False
) -> Result:
    """Back up or restore a database of the application: `./inv db backup FILE`."""
    from pipeline.commands import db as body

    return body.run(what, file, url=url, replace=replace)


@task(positional=["name"], help={"name": "path, plan or rollout"})
@command
def bench(_context: Context, name: str) -> Result:
    """Measure the delivery path, a plan, or lost requests: `./inv bench path`, `plan` or `rollout`."""
    from pipeline.commands import bench as body

    return body.run(name)


#: The tasks as `./inv` lists them: by group, in the order of the path.
GROUPS = {
    "Make it yours": [adopt, upgrade, github_setup],
    "Check a change": [lint, format_, test, diff, docs],
    "Build and deploy": [build, scan, push, plan, apply, sync, verify, deploy, dev],
    "After the deployment": [promote, rollback, drift, rebuild, unlock, destroy, db, bench],
    "Look and clean up": [
        *(
            status,
            history,
            explain,
            logs,
            events,
            open_,
            exec_,
            down,
            cluster,
            doctor,
            versions,
            lock_dependencies,
            bootstrap,
        ),
    ],
    "In workflows": [
        pipeline,
        affected,
        environments,
        gate,
        comment,
        preview,
        expire_previews,
        release,
        notes,
        issue,
        notify,
    ],
}

ns = Collection(overview, *(each for group in GROUPS.values() for each in group))


def _require_what_is_given(argv: list[str]) -> None:
    """Lets the folder of adopt be left out, and each positional argument before --help: invoke requires them all."""
    name = next((word for word in argv if word in ns.tasks), "adopt")
    names, ns[name].positional = list(ns[name].positional), []
    options = Parser([ParserContext(name, args=ns[name].get_arguments())], ignore_unknown=True)
    rest = options.parse_argv(argv[argv.index(name) :] if name in argv else []).unparsed
    words = [*takewhile(lambda word: not word.startswith("-"), rest)]
    optional = name == "adopt" or "--help" in rest
    ns[name].positional = names[: len(words)] if optional else names


_require_what_is_given(sys.argv)
