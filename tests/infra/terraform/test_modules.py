"""Every module: its own tests (terraform test), its shape, and that no variable escapes either."""

import functools
import os
import re
import shutil
from pathlib import Path

import pytest

from pipeline.core import cache, process
from pipeline.core.locks import exclusive
from pipeline.core.paths import LOCAL, TERRAFORM
from pipeline.core.tools import tool
from pipeline.git import repository as git
from pipeline.terraform import cli

MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
ROOTS = [TERRAFORM, TERRAFORM / "bootstrap"]
SUITES = sorted((TERRAFORM / "tests").glob("*.tftest.hcl"))
#: What it makes cannot be planned without AWS (an ephemeral value): covered by test_environments.py.
WITHOUT_SUITE = {"secrets"}
FILES = {"main.tf", "outputs.tf", "variables.tf", "versions.tf"}
LINES = 200
#: Starting the provider is most of a suite's time: a process takes several, and each core has two processes in turn.
PROCESSES = 4


def name(path: Path) -> str:
    return path.name.removesuffix(".tftest.hcl")


@pytest.fixture(scope="session")
def data() -> Path:
    """An initialised data folder without a state; made once for all workers."""
    folder = LOCAL / "terraform-tests"
    with exclusive("terraform-tests", wait=True):
        sources = git.files(
            "infra/terraform/*.tf", "infra/terraform/tests/*", "*.terraform.lock.hcl"
        )
        stamp, key = folder / "initialised", git.content_key(sources)
        if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == key):
            _init(folder)
            stamp.write_text(key, encoding="utf-8")
    return folder


@functools.cache
def version() -> str:
    """Terraform's own; the provider's is in the lock file."""
    return process.capture([tool("terraform"), "version"]).splitlines()[0]


def _init(folder: Path) -> None:
    process.run(
        [tool("terraform"), "init", "-backend=false", "-lockfile=readonly", "-no-color"],
        log=LOCAL / "logs" / "terraform-tests-init.log",
        cwd=TERRAFORM,
        env=_environ(folder),
    )


def _environ(folder: Path) -> dict[str, str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    # Nothing may ask AWS: this address answers nobody.
    return cli.environment(environ, folder) | {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.mark.parametrize("number", range(PROCESSES))
def test_each_variables_effect_and_each_refusal(
    number: int, request: pytest.FixtureRequest
) -> None:
    keys = {suite.name: _key(suite) for suite in SUITES[number::PROCESSES]}
    left = [each for each, key in keys.items() if not cache.passed(f"terraform-test-{each}", key)]
    if not left:
        return
    filters = [f"-filter=tests/{each}" for each in left]
    environ = _environ(request.getfixturevalue("data"))
    log = LOCAL / "logs" / f"terraform-test-{number}.log"
    try:
        process.run(
            [tool("terraform"), "test", "-no-color", *filters], log=log, cwd=TERRAFORM, env=environ
        )
    finally:
        passed = _passed(log.read_text(encoding="utf-8"))
        for each in passed.keys() & keys.keys():
            cache.record(f"terraform-test-{each}", keys[each], f"{passed[each]} passed")
    assert passed.keys() == set(left)


def _key(suite: Path) -> str:
    module = TERRAFORM / "modules" / name(suite)
    read = [suite, TERRAFORM / ".terraform.lock.hcl", *sorted(module.iterdir())]
    return git.content_key(read, version())


def _passed(output: str) -> dict[str, int]:
    """The suites that passed, each with its number of runs; one without a run has shown nothing."""
    begun = re.split(r"^tests/(\S+)\.\.\. in progress$", output, flags=re.M)
    return {
        suite: runs
        for suite, text in zip(begun[1::2], begun[2::2], strict=True)
        if f"\ntests/{suite}... pass" in text and (runs := text.count("... pass\n") - 1) > 0
    }


def test_a_redirect_waits_for_the_listener_that_it_leads_to(tmp_path: Path) -> None:
    folder = shutil.copytree(TERRAFORM / "modules" / "load-balancer", tmp_path / "module")
    shutil.copy(TERRAFORM / ".terraform.lock.hcl", folder)
    environ = _environ(tmp_path / "data")
    process.capture([tool("terraform"), "init", "-lockfile=readonly"], cwd=folder, env=environ)
    drawn = process.capture([tool("terraform"), "graph"], cwd=folder, env=environ)
    assert '"aws_lb_listener.http" -> "aws_lb_listener.https"' in drawn


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_has_its_tests(module: Path) -> None:
    assert (TERRAFORM / "tests" / f"{module.name}.tftest.hcl").is_file() == (
        module.name not in WITHOUT_SUITE
    )


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_is_four_short_files_and_a_page(module: Path) -> None:
    found = {path.name for path in module.glob("*.tf")}
    assert found == FILES
    assert (module / "README.md").is_file()
    for file in module.glob("*.tf"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= LINES, file.name


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS], ids=name)
def test_every_variable_is_typed_described_and_checked(folder: Path) -> None:
    text = (folder / "variables.tf").read_text(encoding="utf-8")
    variables = re.findall(r'^variable "(\w+)" {\n(.*?)^}', text, re.S | re.M)
    assert variables
    for variable, body in variables:
        assert re.search(r"^  type\s+=", body, re.M), variable
        assert re.search(r'^  description\s+= ".+\."$', body, re.M), variable
        # A bool has only two values: its type is the check.
        assert "validation {" in body or re.search(r"^  type\s+= bool$", body, re.M), variable


@pytest.mark.parametrize(
    "module", [one for one in MODULES if one.name not in WITHOUT_SUITE], ids=name
)
def test_every_validation_is_seen_to_refuse(module: Path) -> None:
    text = (module / "variables.tf").read_text(encoding="utf-8")
    checked = {
        variable
        for variable, body in re.findall(r'^variable "(\w+)" {\n(.*?)^}', text, re.S | re.M)
        if "validation {" in body
    }
    suite = (TERRAFORM / "tests" / f"{module.name}.tftest.hcl").read_text(encoding="utf-8")
    refused = {
        variable
        for listed in re.findall(r"expect_failures = \[([^\]]*)\]", suite)
        for variable in re.findall(r"var\.(\w+)", listed)
    }
    assert checked - refused == set()


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS], ids=name)
def test_every_output_is_described(folder: Path) -> None:
    text = (folder / "outputs.tf").read_text(encoding="utf-8")
    for output, body in re.findall(r'^output "(\w+)" {\n(.*?)^}', text, re.S | re.M):
        assert re.search(r'^  description\s+= ".+\."$', body, re.M), output


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS], ids=name)
def test_versions_are_bounded(folder: Path) -> None:
    text = (folder / "versions.tf").read_text(encoding="utf-8")
    assert 'required_version = ">= 1.11.0, < 2.0.0"' in text
    if folder.name != "settings":
        assert 'version = ">= 5.100.0, < 7.0.0"' in text


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS], ids=name)
def test_the_region_comes_from_the_settings(folder: Path) -> None:
    """Provider 5 has no ``region`` in ``data.aws_region``; 6 warns of ``name`` and ``id``: no spelling serves both."""
    for file in folder.glob("*.tf"):
        assert "aws_region" not in file.read_text(encoding="utf-8"), file


def test_provider_6_takes_every_argument() -> None:
    """Its upgrade guide, for the types in use: what it removed or took a meaning from."""
    arguments = {
        "aws_db_instance": "character_set_name",
        "aws_ecs_task_definition": "inference_accelerator",
        "aws_eip": "vpc",
        "aws_flow_log": "log_group_name",
        "aws_lb_listener": "mutual_authentication",
        "aws_lb_target_group": "preserve_client_ip",
        "aws_s3_bucket": "region",
    }
    text = "".join(file.read_text(encoding="utf-8") for file in TERRAFORM.rglob("*.tf"))
    for kind, argument in arguments.items():
        bodies = re.findall(rf'^resource "{kind}" "\w+" {{\n(.*?)^}}', text, re.S | re.M)
        assert bodies, kind
        for body in bodies:
            assert not re.search(rf"^\s+{argument}\b", body, re.M), kind


def test_both_roots_lock_the_same_provider_for_every_platform() -> None:
    locks = {(root / ".terraform.lock.hcl").read_text(encoding="utf-8") for root in ROOTS}
    assert len(locks) == 1
    (lock,) = locks
    # The registry's archives of 14 platforms and its manifest, and what they unpack to.
    assert (lock.count('"zh:'), lock.count('"h1:')) == (15, 14)


def test_nothing_in_the_configuration_knows_of_a_local_aws() -> None:
    for file in [*TERRAFORM.glob("*.tf"), *TERRAFORM.glob("*/**/*.tf")]:
        text = file.read_text(encoding="utf-8")
        for word in (
            "endpoints {",
            "localhost",
            "127.0.0.1:4",
            "access_key",
            "skip_credentials",
            "ministack",
        ):
            assert word not in text, (file, word)


def test_taking_the_protection_off_gives_up_no_data() -> None:
    """AWS deletes nothing that is protected: whoever destroys has set it to false, with all that follows from it."""
    text = (TERRAFORM / "main.tf").read_text(encoding="utf-8")
    decided = set(re.findall(r"(\w+) += .*local\.aws\.deletion_protection", text))
    assert decided == {"deletion_protection", "force_destroy"}  # of the access logs' bucket


def test_a_load_balancer_is_made_after_the_way_to_the_internet() -> None:
    """AWS refuses it in a VPC without a gateway; nothing else in Terraform's graph puts it behind that one."""
    text = (TERRAFORM / "modules" / "network" / "outputs.tf").read_text(encoding="utf-8")
    output = re.search(r'^output "public_subnet_ids" {\n(.*?)^}', text, re.S | re.M)
    assert output
    assert "aws_route.internet" in output[1].partition("depends_on")[2]


def test_at_most_ten_policies_are_skipped_each_with_a_reason() -> None:
    found = [
        line.strip()
        for file in TERRAFORM.rglob("*.tf")
        for line in file.read_text(encoding="utf-8").splitlines()
        if "checkov:skip" in line
    ]
    assert len(found) <= 10
    for line in found:
        assert re.fullmatch(r"#checkov:skip=CKV2?_AWS_\d+:.{20,}", line), line
