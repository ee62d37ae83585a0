"""Runs every check of ``tools/lint.yaml`` over the tree without running it, and prints all findings at once."""

import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.commands import Result
from pipeline.core import cache, console, files, markdown, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.core.tools import tool
from pipeline.git import repository as git
from pipeline.github import actions
from pipeline.kubernetes import helm
from pipeline.releases.project import project

CHECKS = ROOT / "tools" / "lint.yaml"
#: What decides about the verdict of every check besides the files it looks at.
SETTINGS = (
    "pipeline/commands/lint.py",
    "pyproject.toml",
    ".yamllint.yaml",
    ".hadolint.yaml",
    ".shellcheckrc",
    ".github/zizmor.yml",
    ".github/actions/*",
    "requirements/pipeline.txt",
    "tools/*",
)
#: Characters of one check's findings in the report.
REPORTED = 3000
#: What makes GitHub show a line of a log on a line of the change.
COMMAND = re.compile(r"^::[a-z]+( [^\n]*?)?::", re.MULTILINE)
WORDS = {
    "python": sys.executable,
    # GitHub shows findings of its own format on the lines of a change.
    "ruff-format": "github" if actions.running() else "concise",
    # An application is held to these rules only where its project file says so.
    "unchecked": ".local" if project().checked else "app",
    "typed": "app" if project().checked else "",
    "yamllint-format": "github" if actions.running() else "parsable",
}


def _tflint() -> list[str | Path]:
    """tflint with the rules of the language, and with those of AWS on GitHub, whose releases it fetches them from."""
    folder = ROOT / "infra" / "terraform"
    aws = actions.on_github()
    config = folder / (".tflint-aws.hcl" if aws else ".tflint.hcl")
    if aws:
        process.run(
            [tool("tflint"), "--init", "--config", config], log=log_file("tflint-init"), cwd=folder
        )
    return [tool("tflint"), f"--chdir={folder}", "--recursive", f"--config={config}"]


COMMANDS = {"tflint": _tflint, "chart README": helm.compare_readme_command}


def run() -> Result:
    checks: dict[str, dict[str, str]] = files.read_yaml(CHECKS)
    with console.progress("lint"):
        with ThreadPoolExecutor(max_workers=2) as pool:
            results = pool.map(lambda check: _findings(check[0], **check[1]), checks.items())
        failed = {name: text for name, text in zip(checks, results, strict=True) if text}
        for name, findings in failed.items():
            console.out.rule(f"[red]{name}[/]", align="left")
            console.info(findings)
        if failed:
            raise failure(failed, len(checks))
    return Result(f"{len(checks)} checks")


def failure(failed: Mapping[str, str], count: int) -> PipelineError:
    """The error for the findings of each of ``count`` checks that failed; its report has them for a comment."""
    return PipelineError(
        f"findings in {len(failed)} of {count} checks: {', '.join(failed)}",
        next_step="run ./inv format, which fixes formatting, then ./inv lint for the rest",
        report=_report(failed),
    )


def _report(failed: Mapping[str, str]) -> str:
    parts = [f"### Lint: {markdown.inline(', '.join(failed))}", ""]
    for name, findings in failed.items():
        text = COMMAND.sub("", findings).replace(f"{ROOT}/", "")
        block = markdown.cut(markdown.code_block(text), REPORTED, where="the job's log")
        parts += [f"{markdown.inline(name)}:", "", block]
    return "\n".join(parts)


def _findings(check: str, files: str, command: str = "") -> str:
    """The check's output when it has findings, else nothing; what has passed is not checked again."""
    paths = git.files(*files.split())
    if not project().checked:
        paths = [path for path in paths if not path.is_relative_to(ROOT / "app")]
    if not paths:
        # A tool that looked at nothing must not pass.
        return f"no file matches {files}: the check would look at nothing"
    name = f"lint-{check.replace(' ', '-')}"
    log = log_file(name)

    def body() -> str:
        process.run(_argv(command, paths) if command else COMMANDS[check](), log=log)
        return f"{len(paths)} files"

    try:
        cache.once(name, git.content_key([*paths, *git.files(*SETTINGS)]), body)
    except CommandFailedError as error:
        if error.log != log:
            raise  # the tool could not be had
        return error.output.strip() or "no output"
    return ""


def _argv(command: str, files: Sequence[Path]) -> list[str | Path]:
    argv: list[str | Path] = []
    for word in command.split():
        name = word.strip("{}")
        if word == "{files}":
            argv += files
        elif argv and name == word:
            argv.append(word)
        elif name in WORDS:
            argv += [WORDS[name]] if WORDS[name] else []
        else:
            argv.append(tool(name))
    return argv
