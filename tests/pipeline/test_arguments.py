"""Whatever stands in an argument of a task ends in a line or a result, and starts nothing."""

import contextlib
import re
import runpy
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invoke.program import Program

import tasks
from pipeline import runner
from pipeline.core.paths import ROOT

#: What the tests give the arguments beside the one that is tried.
GOOD = {
    **{"environment": "staging", "source": "staging", "target": "production"},
    **{"digest": f"sha256:{'1' * 64}", "lock": "01234567-89ab-cdef-0123-456789abcdef"},
    **{
        "what": "backup",
        "file": str(ROOT / ".local" / "none" / "backup"),
        "delivery": "/nowhere",
        "name": "shop",
    },
    **{
        "event": "push",
        "action": "up",
        "command": "true",
        "number": "1",
        "owner_id": "1",
        "repository_id": "2",
    },
}
#: What looks at an argument itself: a program, or a look at a copy of what it names.
JUDGES = {
    **{("adopt", name): "copy" for name in ("application", "name", "title", "wsgi", "database")},
    **{("upgrade", name): "copy" for name in ("delivery", "to", "base")},
    ("db", "url"): "pg_dump",
    ("test", "select"): "pytest",
    ("cluster", "context"): "kubectl|go env",
}
ARGUMENTS = [
    (task, argument.name)
    for task in tasks.ns.tasks
    for argument in tasks.ns[task].get_arguments()
    if argument.kind is not bool
]
#: Of these the beginning decides how the rest is read.
BEGINNINGS = (
    "",
    "-",
    "sqlite:///",
    "postgresql://",
    "postgresql://[",
    "https://",
    "git@host:",
    "acme/",
    "refs/",
)
HOSTILE = (
    "",
    " ",
    "${HOME}",
    "a;b",
    "a\nb",
    "-x",
    "--help",
    "x" * 5000,
    "🦃",
    "../..",
    "'\"",
    "[red]",
    "9" * 18,
)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.builds(
        str.__add__,
        st.sampled_from(BEGINNINGS),
        # No program can be given the character 0.
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    ),
)


def run(task: str, argument: str, text: str) -> None:
    """Runs a task as a shell does, with something good for each other argument that it requires."""
    argv = ["inv", task]
    for each in tasks.ns[task].get_arguments():
        value = text if each.name == argument else GOOD.get(each.name)
        if each.name == argument or (each.kind is not bool and value):
            argv.append(f"--{each.name.replace('_', '-')}={value}")
    with contextlib.suppress(SystemExit):
        Program(namespace=tasks.ns).run(argv, exit=False)


@pytest.mark.parametrize(("task", "argument"), ARGUMENTS)
@given(text=TEXTS)
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,  # a deploy of something else must not fail for an example that nobody has seen
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_an_argument_holds_is_refused_in_a_line_before_anything_starts(
    task: str,
    argument: str,
    started: list[str],
    capsys: pytest.CaptureFixture[str],
    text: str,
) -> None:
    started.clear()
    run(task, argument, text)
    out, err = capsys.readouterr()
    assert f"{task} failed: unexpected" not in err
    assert out or re.search(
        rf"(^|\n){task} failed: .+ Next: .+\.|{re.escape(text)}", err, re.DOTALL
    )
    pattern, *_ = runner.FORMS.get(argument, ("",))
    if not re.fullmatch(pattern, text):
        judge = JUDGES.get((task, argument), "nothing")
        assert [begun for begun in started if not re.search(judge, begun)] == []


@pytest.mark.parametrize("task", tasks.ns.tasks)
def test_what_a_task_takes_where_nothing_is_given_is_of_its_form(task: str) -> None:
    for argument in tasks.ns[task].get_arguments():
        runner._require_form(argument.name, argument.default)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("adopt /no/shop --name shop --dry-run", "/no/shop is no folder"),
        ("adopt --name shop /no/shop --no-checks", "/no/shop is no folder"),
        ("adopt -n shop --title=Shop --dry-run /no/shop", "/no/shop is no folder"),
        ("adopt --name shop --database none", "adopt failed: copy"),
        ("adopt --nmae shop /no/shop", "No idea what '--nmae' is"),
        ("adopt /no/shop --help", "Usage: .* adopt"),
        (
            "upgrade --no-checks /no/shop --to v1",
            "upgrade failed: (no application|git is not started)",
        ),
        ("upgrade --to v1", "did not receive required positional arguments: 'delivery'"),
        ("upgrade --help", "Usage: .* upgrade"),
        ("promote staging --help", "Usage: .* promote"),
    ],
)
def test_options_stand_on_either_side_of_what_a_task_works_on(
    line: str,
    message: str,
    started: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["inv", *line.split()])
    program = Program(namespace=runpy.run_path(str(ROOT / "tasks.py"))["ns"])
    with contextlib.suppress(SystemExit):
        program.run(exit=False)
    shown = "".join(capsys.readouterr()).replace("\n", " ")
    assert re.search(message, shown)
