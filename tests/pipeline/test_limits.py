"""Nothing is waited for without a limit: every program, every request, every test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.commands import test as commands
from pipeline.core.paths import ROOT
from pipeline.git import repository as git

#: Functions that start what outlives them or end it themselves; all else runs programs by pipeline.core.process.
STARTERS = {
    "pipeline/core/process.py: _child",
    "pipeline/argocd/git_server.py: serve",
    "pipeline/github/rehearsal.py: _served",
    "pipeline/kubernetes/service.py: forward",
    "offline/engine.py: _start",
    "localaws/src/localaws/processes.py: _spawn",
}
PROGRAMS = {"run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
REQUESTS = {"get", "post", "put", "patch", "delete", "head", "request", "stream", "Client"}
SOURCES = ("pipeline/*.py", "offline/*.py", "localgithub/*.py", "localaws/src/*.py", "tasks.py")


def calls(tree: ast.AST, where: str = "") -> Iterator[tuple[str, str, set[str | None]]]:
    """Function, called name (such as ``subprocess.run``) and keywords of every call."""
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef) else where
        if isinstance(node, ast.Call):
            yield inner, ast.unparse(node.func), {keyword.arg for keyword in node.keywords}
        yield from calls(node, inner)


def unlimited(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT)
    for function, called, keywords in calls(ast.parse(path.read_text(encoding="utf-8"))):
        module, _, method = called.rpartition(".")
        waits = (module == "subprocess" and method in PROGRAMS) or (
            (module == "httpx" and method in REQUESTS) or method in ("urlopen", "HTTPConnection")
        )
        starts = method == "Popen" or called in ("os.system", "os.popen")
        if waits and "timeout" not in keywords:
            yield f"{name}: {function}: {called} without a timeout"
        if starts and f"{name}: {function}" not in STARTERS:
            yield f"{name}: {function}: {called}"


def test_every_program_and_request_has_a_limit() -> None:
    sources = git.files(*SOURCES)
    assert len(sources) > 100
    assert [problem for path in sources for problem in unlimited(path)] == []


def test_every_test_has_a_limit_and_its_session_waits_for_it(
    request: pytest.FixtureRequest,
) -> None:
    limits = [float(request.config.getini("timeout"))]
    assert limits[0] > 0
    assert request.config.pluginmanager.hasplugin("timeout")
    for file in git.files("tests/*.py"):
        text = file.read_text(encoding="utf-8")
        limits += map(float, re.findall(r"mark\.timeout\((\d+)\)", text))
    assert max(limits) < commands.SILENCE_SECONDS
