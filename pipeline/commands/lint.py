"""Runs every check that reads the tree without running it, and prints all findings at once."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import cache, console, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.tools import tool
from pipeline.git import repository as git
from pipeline.github import actions
from pipeline.kubernetes import helm

#: The format of findings that GitHub shows on the lines of a change.
RUFF, YAMLLINT = ("github", "github") if actions.running() else ("concise", "parsable")


@dataclass(frozen=True)
class Check:
    """One tool over the files that match ``patterns``.

    ``command`` begins with a tool's name; ``{files}`` in it stands for the files, ``{NAME}`` for the path of a tool.
    """

    name: str
    patterns: str
    command: str | Callable[[], list[str | Path]]

    def argv(self, files: Sequence[Path]) -> list[str | Path]:
        """The command to run."""
        if callable(self.command):
            return self.command()
        argv: list[str | Path] = []
        for word in self.command.split():
            if word == "{files}":
                argv += files
            elif word == "python":
                argv.append(sys.executable)
            elif not argv or word.startswith("{"):
                argv.append(tool(word.strip("{}")))
            else:
                argv.append(word)
        return argv


#: What decides about the verdict of every check besides the files it looks at.
SETTINGS = (
    "pipeline/commands/lint.py",
    "pyproject.toml",
    ".yamllint.yaml",
    ".hadolint.yaml",
    ".shellcheckrc",
    ".github/actionlint.yaml",
    ".github/zizmor.yml",
    ".github/actions/*",
    "requirements/pipeline.txt",
    "tools/*",
)


def _tflint() -> list[str | Path]:
    """tflint with the rules of the language, and with those of AWS on GitHub, whose releases it fetches them from.

    A rehearsal of the workflows on this machine is not on GitHub.
    """
    folder = ROOT / "infra" / "terraform"
    aws = actions.running() and "PIPELINE_HOST" not in os.environ
    config = folder / (".tflint-aws.hcl" if aws else ".tflint.hcl")
    if aws:
        process.run(
            [tool("tflint"), "--init", "--config", config], log=log_file("tflint-init"), cwd=folder
        )
    return [tool("tflint"), f"--chdir={folder}", "--recursive", f"--config={config}"]


CHECKS = (
    Check("ruff check", "*.py", f"ruff check --output-format {RUFF} ."),
    Check("ruff format", "*.py", "ruff format --check --diff ."),
    Check("mypy", "*.py", "mypy tasks.py pipeline offline localgithub localaws/src app tests"),
    Check(
        "chart README",
        "infra/helm/*/Chart.yaml infra/helm/*/values.yaml infra/helm/*/README.*",
        helm.compare_readme_command,
    ),
    Check(
        "imports",
        "pipeline/*.py offline/*.py localaws/*.py localgithub/*.py",
        "lint-imports --no-cache",
    ),
    Check(
        "yamllint",
        "*.yaml *.yml :!infra/helm/*/templates/*",
        f"yamllint --strict --format {YAMLLINT} {{files}}",
    ),
    Check("terraform fmt", "*.tf *.tftest.hcl", "terraform fmt -check -diff -recursive infra"),
    Check(
        "terraform validate",
        "infra/terraform/*.tf infra/terraform/*.hcl pipeline/terraform/validate.py",
        "python -m pipeline.terraform.validate",
    ),
    Check(
        "module READMEs",
        "infra/terraform/*.tf infra/terraform/*README.md pipeline/terraform/module_readme.py",
        "python -m pipeline.terraform.module_readme --check",
    ),
    Check("tflint", "infra/terraform/*.tf infra/terraform/*.hcl", _tflint),
    Check("hadolint", "*Dockerfile", "hadolint {files}"),
    Check("shellcheck", "inv .ci/run *.sh", "shellcheck {files}"),
    Check(
        "actionlint",
        ".github/workflows/*.yml",
        "actionlint -shellcheck {shellcheck} -pyflakes= {files}",
    ),
    Check(
        "zizmor",
        ".github/workflows/*.yml .github/actions/*/action.yml .github/dependabot.yml",
        "zizmor --offline --no-progress --persona=pedantic {files}",
    ),
)


def run() -> Result:
    """Runs every check, two at a time, and prints all findings."""
    with console.progress("lint"):
        with ThreadPoolExecutor(max_workers=2) as pool:
            results = dict(zip(CHECKS, pool.map(_findings, CHECKS), strict=True))
        failed = {check.name: findings for check, findings in results.items() if findings}
        for name, findings in failed.items():
            console.out.rule(f"[red]{name}[/]", align="left")
            console.info(findings)
        if failed:
            raise PipelineError(
                f"{len(failed)} of {len(CHECKS)} checks have findings: {', '.join(failed)}",
                next_step="fix the findings above (./inv format does so for formatting)",
            )
    return Result(f"{len(CHECKS)} checks")


def _findings(check: Check) -> str:
    """The check's output when it has findings, else nothing; what has passed is not checked again."""
    files = git.files(*check.patterns.split())
    if not files:
        # A tool that looked at nothing must not pass.
        return f"no file matches {check.patterns}: the check would look at nothing"
    name = f"lint-{check.name.replace(' ', '-')}"
    log = log_file(name)

    def body() -> str:
        process.run(check.argv(files), log=log)
        return f"{len(files)} files"

    key = git.content_key([*{*files, *git.files(*SETTINGS)}])
    try:
        cache.once(name, key, body)
    except CommandFailedError as error:
        if error.log != log:
            raise  # the tool could not be had
        return log.read_text(encoding="utf-8").partition("\n")[2].strip() or "no output"
    return ""
