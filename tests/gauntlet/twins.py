"""Good twins of bad changes: the same edits done right, those of one part of the repository in one change."""

from pipeline.core.paths import CHART, ROOT
from tests.gauntlet.edits import Change, append, both, replace, resource, role_policy

HELM = CHART.relative_to(ROOT)
REFERENCE = "pipeline/releases/image_reference.py"
WORKFLOW = ".github/workflows/pull-request.yml"

#: Bad changes whose right edit is no edit: what stands there is right.
WITHOUT = {
    "the required check no longer needs the scan",
    "a job that deploys outside a protected environment",
    "a token that checkout keeps",
    "a right that no step needs",
    "an output that no job has",
    "every right for every job",
    "a privileged pod",
    "public S3 bucket",
    "unencrypted RDS",
    "a migration that drops a column still used",
    "a migration that fails",
    "a dish that nobody can claim",
    "500 on a fifth of all requests",
}


def twin(name: str, of: tuple[str, ...], *edits: object) -> Change:
    """A good change that does what several bad ones were for."""
    return Change(name, "", (), both(*edits), of=of)  # type: ignore[arg-type] # edits


GOOD = (
    twin(
        "Python as it should be",
        (
            "formatting",
            "type error",
            "undefined name",
            "SQL from a string",
            "a command that imports a command",
            "failing test",
            "a client in the user's environment",
        ),
        append(
            REFERENCE,
            '\n\nNAMES = ["a", "b"]\n\n\ndef count() -> int:\n    """Returns how many there are."""\n'
            '    return len(NAMES)\n\n\ndef query() -> str:\n    """Returns a query with a parameter."""\n'
            '    return "SELECT id FROM guest WHERE name = :name"\n',
        ),
        replace(
            "pipeline/commands/gate.py",
            "from pipeline.core import console\n",
            "from pipeline.core import console\nfrom pipeline.core import markdown as _markdown  # noqa: F401\n",
        ),
        append(
            "pipeline/aws/registry.py",
            '\n\ndef repositories(account: Account) -> Any:\n    """Returns what the account has."""\n'
            '    return account.client("ecr").describe_repositories()\n',
        ),
        append(
            "tests/pipeline/test_files.py",
            "\n\ndef test_added() -> None:\n    assert sum([1, 2]) == 3\n",
        ),
    ),
    twin(
        "a script, a service's label and an image's label",
        ("shell script that loses its directory", "YAML that is not", "root user in the image"),
        append("tools/added.sh", '#!/bin/sh\ncd "$1" || exit\nrm -r build\n'),
        append("docker-compose.yml", "\nx-added: {}\n"),
        replace("Dockerfile", "ARG TITLE=app\n", 'LABEL added="yes"\nARG TITLE=app\n'),
    ),
    twin(
        "rules, rights and TLS as narrow as they can be",
        (
            "port 5000 open to the world",
            "port 5432 open to the world",
            "wildcard IAM",
            "a load balancer that speaks old TLS",
            "a resource without a price",
        ),
        resource(
            "service",
            """

            resource "aws_vpc_security_group_ingress_rule" "added" {
              for_each = toset(["5000", "5432"])

              security_group_id = aws_security_group.tasks.id
              description       = "From the network"
              cidr_ipv4         = "10.0.0.0/16"
              from_port         = each.value
              to_port           = each.value
              ip_protocol       = "tcp"
            }
            """,
        ),
        role_policy("s3:GetObject", "arn:aws:s3:::shop/*"),
        replace(
            "infra/terraform/modules/load-balancer/main.tf",
            "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "ELBSecurityPolicy-TLS13-1-3-2021-06",
        ),
    ),
    twin(
        "a step with a branch's name in a variable, and one more pinned action",
        (
            "unpinned action",
            "pull_request_target with a checkout",
            "script injection through a branch name",
            "a workflow that calls a task that does not exist",
            "a step that is more than a task",
            "an argument that the task does not take",
        ),
        replace(
            WORKFLOW,
            "        run: ./inv lint\n",
            "        run: ./inv lint\n"
            "      - name: Keep the logs\n"
            "        if: always()\n"
            "        uses: actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1\n"
            "        with:\n          name: logs-lint\n          path: .local/logs/\n"
            "          include-hidden-files: true # .local is hidden\n"
            "          if-no-files-found: ignore\n          retention-days: 7\n",
        ),
        replace(
            WORKFLOW,
            "        run: ./inv test --changed\n",
            "        env:\n          BRANCH: ${{ github.head_ref }}\n"
            "        run: ./inv test --changed --select=tests\n",
        ),
    ),
    twin(
        "a chart value in other words and a probe of another time",
        (
            "a chart value that its README does not know",
            "a template that does not render",
            "a removed probe",
        ),
        *(
            replace(
                f"{HELM}/{file}", "Taints that pods tolerate", "Taints of nodes that pods tolerate"
            )
            for file in ("values.yaml", "README.md")
        ),
        replace(f"{HELM}/templates/_pod.tpl", "timeoutSeconds: 5\n", "timeoutSeconds: 4\n"),
    ),
    twin(
        "pages that show how a key is set, and none",
        (
            "hard-coded AWS key",
            "private key file",
            "a key in the README",
            "a key that a later commit removes",
            "a variable that docs/github.md leaves out",
        ),
        append("README.md", "\n    aws_access_key_id = <yours>\n"),
        replace("docs/github.md", "| where everything runs |", "| the region of everything |"),
    ),
    twin(
        "a rule by which a change runs the tests as well",
        ("a file that a test reads and whose change does not run it",),
        replace("tools/tests.yaml", "tests/acceptance/*", "tests/acceptance/* LICENSE"),
    ),
)
