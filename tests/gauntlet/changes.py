"""Bad changes, each with the gate that must stop it, and good ones that must pass.

A change is a small edit of a clone. What looks like a secret is made when the change is: none lies in Git.
"""

import base64
import importlib.util
import re
import secrets
import textwrap
from pathlib import Path

from pipeline.core.paths import CHART, ROOT
from pipeline.releases.project import project
from tests.gauntlet.edits import (
    Change,
    Edit,
    append,
    both,
    replace,
    resource,
    role_policy,
    set_line,
)

HELM = CHART.relative_to(ROOT)
WORKFLOW = ".github/workflows/pull-request.yml"
MERGE = ".github/workflows/main.yml"
IMAGE = ".github/workflows/image.yml"
PODS = f"{HELM}/templates/_pod.tpl"


#: The chart's container security context, where the web container's stands.
CONTEXT = (
    "      securityContext:\n"
    '        {{- include "delivery.containerSecurityContext" . | nindent 8 }}\n'
)

#: The package that the fixture's advisory is about.
VULNERABLE = "shop-helper==0.1.0"
ADVISORY = "GAUNTLET-2026-1"


def workflow(trigger: str, steps: str, permissions: str = "contents: read") -> Edit:
    """A new workflow with one job."""
    text = f"""\
name: Added
on:
  {trigger}: {{}}
permissions: {{}}
concurrency: {{group: added, cancel-in-progress: true}}
jobs:
  added:
    name: Added
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      {permissions} # reason
    steps:
{textwrap.indent(textwrap.dedent(steps).strip(), "      ")}
"""
    return append(".github/workflows/added.yml", text)


def two_replicas_on_sqlite(root: Path) -> None:
    """Whatever database the application has."""
    path = root / "environments/staging.yaml"
    text = re.sub(r"engine: \w+", "engine: sqlite", path.read_text(encoding="utf-8"), count=1)
    path.write_text(re.sub(r"replicaCount: \d+", "replicaCount: 2", text), encoding="utf-8")


OTHER_REPLICAS = set_line(
    "environments/staging.yaml", "replicaCount", "replicaCount: 3", "replicaCount: 2"
)

CHECKOUT = """\
- name: Check out
  uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
  with:
    persist-credentials: false
"""


def _aws_key(root: Path) -> None:
    name = "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()
    key = base64.b64encode(secrets.token_bytes(30)).decode()
    append("infra/backup.env", f"AWS_ACCESS_KEY_ID={name}\nAWS_SECRET_ACCESS_KEY={key}\n")(root)


def _private_key(root: Path) -> None:
    body = "\n".join(textwrap.wrap(base64.b64encode(secrets.token_bytes(900)).decode(), 64))
    kind = "PRIVATE KEY"
    append("infra/deploy.pem", f"-----BEGIN RSA {kind}-----\n{body}\n-----END RSA {kind}-----\n")(
        root
    )


def _spoil_hash(lock: Path, package: str) -> None:
    lines = lock.read_text(encoding="utf-8").splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if line.startswith(package))
    for number in range(first + 1, len(lines)):
        if "--hash=sha256:" not in lines[number]:
            break
        before, _, digest = lines[number].partition("sha256:")
        lines[number] = f"{before}sha256:{'0' * 64}{digest[64:]}"
    lock.write_text("".join(lines), encoding="utf-8")


def _open_port(port: int) -> Edit:
    return resource(
        "service",
        f"""

        resource "aws_security_group" "added" {{
          name        = "added"
          description = "Added"
          vpc_id      = var.vpc_id

          ingress {{
            description = "Open"
            from_port   = {port}
            to_port     = {port}
            protocol    = "tcp"
            cidr_blocks = ["0.0.0.0/0"]
          }}
        }}
        """,
    )


LINT = (
    Change(
        "formatting",
        "lint",
        ("ruff format", "pipeline/releases/image_reference.py"),
        append("pipeline/releases/image_reference.py", "\n\nNAMES = [ 'a','b' ]\n"),
    ),
    Change(
        "type error",
        "lint",
        ("mypy", "Incompatible return value"),
        append(
            "pipeline/releases/image_reference.py",
            '\n\ndef count() -> int:\n    """How many."""\n    return "three"\n',
        ),
    ),
    Change(
        "undefined name",
        "lint",
        ("ruff check", "F821"),
        append(
            "pipeline/releases/image_reference.py",
            '\n\ndef shorter() -> str:\n    """Shorter."""\n    return undefined_name\n',
        ),
    ),
    Change(
        "SQL from a string",
        "lint",
        ("ruff check", "S608"),
        append(
            "pipeline/releases/image_reference.py",
            '\n\ndef query(name: str) -> str:\n    """A query."""\n'
            "    return f\"SELECT id FROM guest WHERE name = '{name}'\"\n",
        ),
    ),
    Change(
        "a command that imports a command",
        "lint",
        ("imports",),
        replace(
            "pipeline/commands/gate.py",
            "from pipeline.commands import Result\n",
            "from pipeline.commands import Result\nfrom pipeline.commands import lint as _lint  # noqa: F401\n",
        ),
    ),
    Change(
        "YAML that is not",
        "lint",
        ("yamllint", "docker-compose.yml"),
        append("docker-compose.yml", "services: [\n"),
    ),
    Change(
        "unformatted Terraform",
        "lint",
        ("terraform fmt",),
        append(
            "infra/terraform/outputs.tf",
            '\noutput "added" {\n  description="Added."\n  value="x"\n}\n',
        ),
    ),
    Change(
        "shell script that loses its directory",
        "lint",
        ("shellcheck", "SC2164"),
        append("tools/added.sh", '#!/bin/sh\ncd "$1"\nrm -r build\n'),
    ),
    Change(
        "root user in the image",
        "lint",
        ("hadolint", "DL3002"),
        replace("Dockerfile", "USER 10001:10001", "USER root"),
    ),
    Change(
        ":latest base image",
        "lint",
        ("hadolint", "DL3007"),
        append("Dockerfile", "\nFROM python:latest\nUSER 10001:10001\n"),
    ),
    Change(
        "unpinned action",
        "lint",
        ("zizmor", "unpinned-uses"),
        replace(
            MERGE,
            "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
            "actions/checkout@v7",
        ),
    ),
    Change(
        "pull_request_target with a checkout",
        "lint",
        ("zizmor", "dangerous-triggers"),
        workflow("pull_request_target", CHECKOUT),
    ),
    Change(
        "script injection through a branch name",
        "lint",
        ("template-injection", "github.head_ref"),
        workflow("pull_request", '- name: Greet\n  run: echo "${{ github.head_ref }}"'),
    ),
    Change(
        "every right for every job",
        "lint",
        ("zizmor", "excessive-permissions"),
        replace(MERGE, "permissions: {}", "permissions: write-all"),
    ),
    Change(
        "an output that no job has",
        "lint",
        ("actionlint", "digets"),
        replace(
            MERGE,
            "digest: ${{ needs.image.outputs.digest }}",
            "digest: ${{ needs.image.outputs.digets }}",
        ),
    ),
    Change(
        "a chart value that its README does not know",
        "lint",
        ("chart README",),
        append(f"{HELM}/values.yaml", "# -- Added.\nadded: true\n"),
    ),
)

TEST = (
    Change(
        "failing test",
        "test",
        ("test_files.py", "failed"),
        append(
            "tests/pipeline/test_files.py",
            "\n\ndef test_added() -> None:\n    assert sum([1, 1]) == 3\n",
        ),
    ),
    Change(
        "a workflow that calls a task that does not exist",
        "test",
        ("test_parity.py", "No idea what"),
        replace(WORKFLOW, "run: ./inv lint", "run: ./inv lintt"),
    ),
    Change(
        "a step that is more than a task",
        "test",
        ("test_parity.py", "one task"),
        replace(WORKFLOW, "run: ./inv lint", "run: ./inv lint --help"),
    ),
    Change(
        "an argument that the task does not take",
        "test",
        ("test_parity.py", "No idea what"),
        replace(WORKFLOW, "run: ./inv test --changed", "run: ./inv test --changes"),
    ),
    Change(
        "a right that no step needs",
        "test",
        ("test_parity.py", "test_a_job_has_the_rights"),
        replace(
            WORKFLOW,
            "      contents: read # checkout\n      security-events: write",
            "      contents: read # checkout\n      packages: write # for later\n      security-events: write",
        ),
    ),
    Change(
        "a token that checkout keeps",
        "test",
        ("test_parity.py", "test_no_checkout_keeps_the_token"),
        replace(
            MERGE, "          persist-credentials: false\n", "          persist-credentials: true\n"
        ),
    ),
    Change(
        "a job that deploys outside a protected environment",
        "test",
        ("test_parity.py",),
        replace(IMAGE, "    environment: staging\n", ""),
    ),
    Change(
        "the required check no longer needs the scan",
        "test",
        ("test_parity.py", "required"),
        replace(
            WORKFLOW,
            "    needs: [affected, secrets, lint, test, build, scan, plan, diff]\n    if: always()\n",
            "    needs: [affected, secrets, lint, test, build, plan, diff]\n    if: always()\n",
        ),
    ),
    Change(
        "an environment file with a tag instead of a digest",
        "lint",
        ("name the image by digest",),
        set_line("environments/staging.yaml", "digest", "  tag: latest\n  digest: null"),
    ),
    Change(
        "two replicas on SQLite",
        "lint",
        ("replicas on sqlite",),
        two_replicas_on_sqlite,
    ),
    Change(
        "a freeze on a day that never comes",
        "lint",
        ("promotion.freeze", "production.yaml"),
        replace("environments/production.yaml", "0 16 * * 5", "0 0 31 2 *"),
    ),
    Change(
        "an invalid chart value",
        "test",
        ("tests/infra/helm", "replicaCont"),
        append("environments/staging.yaml", "replicaCont: 5\n"),
    ),
    Change(
        "a template that does not render",
        "lint",
        ("diagrams", "undefinedHelper"),
        replace(
            PODS,
            "    - name: {{ .Chart.Name }}\n",
            '    - name: {{ include "undefinedHelper" . }}\n',
        ),
    ),
    Change(
        "a removed probe",
        "test",
        ("tests/infra/helm", "readinessProbe"),
        replace(
            PODS,
            "      readinessProbe:\n        httpGet:\n          path: {{ $probes.ready }}\n",
            "      ignored:\n        httpGet:\n          path: {{ $probes.ready }}\n",
        ),
    ),
    Change(
        "a privileged pod",
        "test",
        ("tests/infra/helm", "privileged"),
        # The migration's container and the application's.
        both(
            *[
                replace(
                    PODS,
                    CONTEXT,
                    "      securityContext:\n        privileged: true\n",
                )
            ]
            * 2
        ),
    ),
)

SCAN = (
    Change("hard-coded AWS key", "secrets", ("aws-access-token", "infra/backup.env"), _aws_key),
    Change("private key file", "secrets", ("private-key", "infra/deploy.pem"), _private_key),
    Change(
        "port 5000 open to the world",
        "scan",
        ("APP_AWS_1", "service/main.tf"),
        _open_port(5000),
    ),
    Change(
        "port 5432 open to the world",
        "scan",
        ("APP_AWS_1", "service/main.tf"),
        _open_port(5432),
    ),
    Change(
        "public S3 bucket",
        "scan",
        ("CKV_AWS_5", "log-bucket/main.tf"),
        both(
            replace(
                "infra/terraform/modules/log-bucket/main.tf",
                "block_public_acls       = true",
                "block_public_acls       = false",
            ),
            replace(
                "infra/terraform/modules/log-bucket/main.tf",
                "block_public_policy     = true",
                "block_public_policy     = false",
            ),
        ),
    ),
    Change(
        "unencrypted RDS",
        "scan",
        ("CKV_AWS_16",),
        replace(
            "infra/terraform/modules/database/main.tf",
            "storage_encrypted     = true",
            "storage_encrypted     = false",
        ),
    ),
    Change(
        "wildcard IAM",
        "scan",
        ("CKV_AWS_", "task-roles/main.tf"),
        role_policy("*", "*"),
    ),
    Change(
        "a load balancer that speaks old TLS",
        "scan",
        ("CKV_AWS_",),
        resource(
            "load-balancer",
            """

            resource "aws_lb_listener" "added" {
              load_balancer_arn = aws_lb.main.arn
              port              = 8443
              protocol          = "HTTPS"
              ssl_policy        = "ELBSecurityPolicy-2016-08"

              default_action {
                type             = "forward"
                target_group_arn = aws_lb_target_group.tasks.arn
              }
            }
            """,
        ),
    ),
    Change(
        "a dependency with a known vulnerability",
        "scan",
        (ADVISORY, "shop-helper"),
        append("app/requirements.txt", f"{VULNERABLE} \\\n    --hash=sha256:{'a' * 64}\n"),
    ),
)

SETUP = (
    Change(
        "hash mismatch in the lock",
        "setup",
        ("locked packages could not be installed",),
        lambda root: _spoil_hash(root / "requirements" / "pipeline.txt", "invoke=="),
    ),
)

PASSING = (
    Change("a sentence in the docs", "", (), append("docs/added.md", "# Added\n\nA sentence.\n")),
    Change(
        "one replica more",
        "",
        (),
        OTHER_REPLICAS
        if project().database.engine != "sqlite"
        else append("environments/staging.yaml", "podAnnotations: {added: this}\n"),
        of=(
            "two replicas on SQLite",
            "an invalid chart value",
            "an environment file with a tag instead of a digest",
        ),
    ),
    Change(
        "a freeze over Christmas",
        "",
        (),
        both(
            replace(
                "environments/production.yaml",
                "  freeze: # no change by itself over the weekend\n",
                "  freeze:\n    - {schedule: 0 0 24 12 *, duration: 72h, timeZone: Etc/UTC}\n",
            ),
            replace(
                "argocd/apps/base/project.yaml",
                "  syncWindows:\n",
                "  syncWindows:\n"
                '    - kind: "deny"\n'
                '      schedule: "0 0 24 12 *"\n'
                '      duration: "72h"\n'
                '      timeZone: "Etc/UTC"\n'
                f'      applications: ["{project().name}-production"]\n'
                "      manualSync: true\n",
            ),
        ),
        of=("a freeze on a day that never comes",),
    ),
    Change(
        "a described output",
        "",
        (),
        both(
            append(
                "infra/terraform/outputs.tf",
                '\noutput "added" {\n  description = "Added."\n  value       = "x"\n}\n',
            ),
            replace(
                "infra/terraform/README.md",
                "| `alb_arn` |",
                "| `added` | Added. |\n| `alb_arn` |",
            ),
        ),
        of=(
            "unformatted Terraform",
            "a Terraform variable that its README does not know",
        ),
    ),
    Change(
        "a longer timeout of a job",
        "",
        (),
        replace(WORKFLOW, "    timeout-minutes: 10\n", "    timeout-minutes: 12\n"),
    ),
)

#: Faults of the field, and the sample application's own changes, which go with it.
_OWN = [
    importlib.import_module(name)
    for name in ("tests.gauntlet.field", "tests.gauntlet.twins", "tests.gauntlet.sample")
    if importlib.util.find_spec(name)
]
BAD: tuple[Change, ...] = (
    *SETUP,
    *LINT,
    *TEST,
    *SCAN,
    *(change for own in _OWN for change in getattr(own, "BAD", ())),
)
GOOD: tuple[Change, ...] = (*PASSING, *(change for own in _OWN for change in own.GOOD))
