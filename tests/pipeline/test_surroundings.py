"""The user's environment changes nothing on a local target, whatever it holds; the real one names it in errors."""

import ast
import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.session import Session

from pipeline.aws import localaws
from pipeline.aws.account import Account, _deaf_variables
from pipeline.core import tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT
from pipeline.git import repository as git
from pipeline.images import build
from pipeline.targets import compose
from pipeline.terraform import cli
from tests.answering import Handler, served

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens
IDENTITY = b"""\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which every variable of AWS, Terraform and Python leads astray; a folder of broken modules."""
    broken = tmp_path / "config"
    broken.write_text("[profile none\nuse_fips_endpoint true", encoding="utf-8")
    for module in ("invoke", "docker", "rich"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('astray')\n", encoding="utf-8")
    for name in os.environ:
        if name.lower() == "no_proxy":
            monkeypatch.delenv(name)
    known = [name for _, name, *_ in Session.SESSION_VARIABLES.values() if isinstance(name, str)]
    astray = dict.fromkeys(known, "astray") | {
        "AWS_PROFILE": "none",
        "AWS_CONFIG_FILE": str(broken),
        "AWS_SHARED_CREDENTIALS_FILE": str(broken),
        "AWS_ENDPOINT_URL_S3": NOWHERE,
        "AWS_ROLE_ARN": "astray",
        "TF_CLI_ARGS": "-lock=false",
        "TF_CLI_ARGS_plan": "-lock=false",
        "TF_VAR_region": "astray",
        "TF_WORKSPACE": "astray",
        "TF_REATTACH_PROVIDERS": "{}",
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": str(tmp_path),
        "http_proxy": NOWHERE,
        "HTTP_PROXY": NOWHERE,
        "all_proxy": NOWHERE,
    }
    for name, value in astray.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def api() -> Iterator[str]:
    class Sts(Handler):
        def do_POST(self) -> None:
            self.answer(IDENTITY)

    with served(Sts) as url:
        yield url


@pytest.mark.usefixtures("hostile")
def test_a_client_of_the_local_aws_is_deaf_to_it(api: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "2", "AWS_REGION": "us-east-1"}
    account = Account({**keys, "AWS_ENDPOINT_URL": api}, local=True)
    assert account.client("sts").get_caller_identity()["Account"] == "123456789012"


@pytest.mark.usefixtures("hostile")
def test_a_program_that_uses_the_local_aws_gets_none_of_it() -> None:
    environ = cli.environment(localaws.process_environment(), Path("data"))
    led = {name for name in environ if name.startswith(("AWS_", "TF_", "PYTHON", "LD_"))}
    assert led <= {
        *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ACCESS_KEY_ID"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE"),
        *("AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "TF_CLI_CONFIG_FILE"),
        *("TF_DATA_DIR", "TF_IN_AUTOMATION", "TF_PLUGIN_CACHE_DIR", "TF_PLUGIN_MIRROR"),
        *cli.PATIENCE,
    }
    assert "astray" not in environ.values()
    assert environ["AWS_CONFIG_FILE"] == environ["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert "127.0.0.1" in environ["NO_PROXY"].split(",")


def test_no_setting_of_botocore_is_read_from_a_variable() -> None:
    assert _deaf_variables().keys() == Session.SESSION_VARIABLES.keys()
    assert {name for _, name, *_ in _deaf_variables().values()} == {None}


def test_a_task_starts_whatever_the_variables_of_python_say(hostile: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "HOME"}
    argv = [str(ROOT / "inv"), "overview"]
    done = subprocess.run(
        argv, cwd=hostile, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Build and deploy" in done.stdout


def calls(path: Path) -> Iterator[tuple[str, set[str | None]]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg for keyword in node.keywords}


def test_terraform_is_found_whatever_its_variables_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = tools.catalogue()["terraform"]
    path = tools.tool("terraform")
    monkeypatch.setenv("TF_CLI_ARGS", "-lock=false")
    monkeypatch.setenv("TF_WORKSPACE", "other")
    present = tools.find(entry)
    assert present
    assert present[0] == path


def test_every_client_and_every_program_of_terraform_is_made_with_its_own_environment() -> None:
    clients = ("boto3.", "BotocoreSession", "get_session")
    for path in git.files("pipeline/*.py"):
        name = str(path.relative_to(ROOT))
        for called, keywords in calls(path):
            if called.startswith(clients):
                assert name == "pipeline/aws/account.py", f"{name} makes a client itself: {called}"
            if name.startswith(("pipeline/terraform/", "pipeline/aws/")) and called in (
                "process.run",
                "process.capture",
            ):
                assert "env" in keywords, f"{name} runs a program in the user's environment"


def test_a_checkout_may_lie_under_a_path_with_a_comma_and_a_quote(tmp_path: Path) -> None:
    file = tmp_path / 'a, "b"' / "pip.conf"
    option, text = build._secret("pip", file)
    assert option == "--secret"
    assert next(csv.reader([text])) == ["id=pip", f"src={file}"]


def test_code_that_its_container_cannot_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "ROOT", tmp_path)
    (tmp_path / "app").mkdir(mode=0o700)
    with pytest.raises(
        PipelineError, match="app is not readable for the container's user"
    ) as error:
        compose._require_readable(tmp_path / "app")
    assert error.value.next_step == "run chmod -R o+rX app"


def test_a_python_without_pip_is_named(tmp_path: Path) -> None:
    programs = ("sh", "mkdir", "cat", "cmp", "flock", "env", "python3.11")
    for name in programs:
        script = f'#!/bin/sh\nexec {shutil.which(name)} "$@"\n'
        if name == "python3.11":
            script = f'#!/bin/sh\n[ "$2" != pip ] || exit 1\nexec "{sys.executable}" "$@"\n'
        (tmp_path / name).write_text(script, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [str(tmp_path / "sh"), str(ROOT / "tools" / "environment.sh"), str(tmp_path / "clone")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "python3.11 has no pip. Next: install python3-pip" in done.stderr


def test_an_environment_is_made_anew_where_its_checkout_was_moved(tmp_path: Path) -> None:
    """Its programs name their interpreter by the path at which they were installed."""
    root, programs = tmp_path / "moved", tmp_path / "programs"
    venv, script = root / ".local" / "venv", ROOT / "tools" / "environment.sh"
    for folder in (venv / "bin", root / "requirements", programs):
        folder.mkdir(parents=True)
    for name in ("pipeline", "uv"):
        (root / "requirements" / f"{name}.txt").write_text(f"{name}\n", encoding="utf-8")
    (venv / "locked.txt").write_text("pipeline\nuv\n", encoding="utf-8")
    (venv / "place").write_text(f"{tmp_path}/before/.local/venv\n", encoding="utf-8")
    (venv / "bin" / "mypy").write_text("#!nowhere\n", encoding="utf-8")
    uv = programs / "uv"
    uv.write_text(
        '#!/bin/sh\n[ "$1" = venv ] || exit 0\nfor last; do :; done\nmkdir -p "$last/bin"\n'
        f'ln -s "{sys.executable}" "$last/bin/python"\n',
        encoding="utf-8",
    )
    uv.chmod(0o755)
    environ = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

    def made(place: Path) -> str:
        argv = ["sh", str(script), str(place)]
        done = subprocess.run(
            argv, env=environ, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stderr

    assert "Preparing" in made(root)
    assert not (venv / "bin" / "mypy").exists()
    assert made(root) == ""
    # A clone that borrows it, as those of the gauntlet do, leaves it as it is.
    borrower = tmp_path / "borrower"
    (borrower / ".local").mkdir(parents=True)
    (borrower / ".local" / "venv").symlink_to(venv)
    (borrower / "requirements").symlink_to(root / "requirements")
    assert made(borrower) == ""
    # Where it does not do, the borrower makes its own, and the lender's stays.
    (venv / "locked.txt").write_text("others\n", encoding="utf-8")
    assert "Preparing" in made(borrower)
    assert not (borrower / ".local" / "venv").is_symlink()
    assert (venv / "locked.txt").read_text("utf-8") == "others\n"
    shutil.rmtree(borrower / ".local" / "venv")
    (borrower / ".local" / "venv").symlink_to(tmp_path / "gone")
    assert "Preparing" in made(borrower)
