"""The system as `./inv deploy` leaves it: two replicas behind a balancer, one digest, data that outlives a release.

Each test can run alone. That `./inv down` leaves nothing behind is asserted where the shared clone is given up.
"""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator

import docker
import httpx
import pytest

from pipeline.benchmarks import load
from pipeline.core.waiting import wait
from tests.acceptance.journeys import Browser, create_gathering
from tests.e2e.checkout import Checkout, client, containers
from tests.e2e.conftest import Deployed
from tests.e2e.faults import FAULTS, failing_migration, plant
from tests.e2e.kube import answers

pytestmark = [pytest.mark.engine, pytest.mark.e2e]


class Watcher:
    """Asks the URL twenty times a second, and keeps every answer that a user would call broken."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.count = 0
        self.broken: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self._stop.wait(0.05):
                self.count += 1
                try:
                    response = client.get(f"{self.url}/readyz")
                    if response.status_code != httpx.codes.OK:
                        self.broken.append(f"{response.status_code} {response.text[:80]}")
                except httpx.HTTPError as error:
                    self.broken.append(repr(error))


def built_digest(checkout: Checkout) -> str:
    """The digest that the clone built and pushed last."""
    record = json.loads((checkout.folder / ".local" / "build.json").read_text(encoding="utf-8"))
    digest: str = record["digest"]
    return digest


def replicas(checkout: Checkout) -> Iterator[str]:
    """The address of each application container, past the balancer."""
    engine = docker.from_env()
    for name in containers(checkout):
        one = engine.containers.get(name)
        if one.status == "running" and name.startswith("ministack-ecs-"):
            networks = one.attrs["NetworkSettings"]["Networks"].values()
            yield f"http://{next(iter(networks))['IPAddress']}:5000"


def alarms_on(checkout: Checkout) -> bool:
    """Whether an alarm of the deployment before is on still: ECS would not watch the next one."""
    alarms = client("cloudwatch", checkout).describe_alarms(StateValue="ALARM")["MetricAlarms"]
    return any("-deployment-" in alarm["AlarmName"] for alarm in alarms)


@pytest.fixture
def disturbed(deployed: Deployed) -> Iterator[Deployed]:
    """For a test that changes what runs or what was built last: afterwards both are the clone's commit again."""
    yield deployed
    deployed.checkout.restore()
    deployed.checkout.inv("deploy")


def test_two_replicas_answer_with_the_digest_just_built(deployed: Deployed) -> None:
    images = {answer["image"] for answer in answers(deployed.url, 2).values()}
    assert images == {built_digest(deployed.checkout)}


def test_status_keeps_its_contract(deployed: Deployed) -> None:
    targets = deployed.checkout.status()
    assert set(targets) == {"ecs", "kubernetes", "compose"}
    assert targets["compose"] is None
    assert {"url", "image", "version", "healthy", "replicas"} <= set(targets["ecs"])
    assert (targets["ecs"]["healthy"], targets["ecs"]["replicas"]) == (True, 2)
    assert targets["ecs"]["image"].endswith(built_digest(deployed.checkout))
    assert targets["ecs"]["revision"] == targets["ecs"]["wanted_revision"]
    assert targets["ecs"]["age"] >= 0


def test_a_gathering_made_by_one_replica_is_read_by_the_other(deployed: Deployed) -> None:
    gathering = create_gathering(deployed.url)
    path = gathering.guest_url.removeprefix(deployed.url)
    addresses = list(replicas(deployed.checkout))
    assert len(addresses) == 2
    for address in addresses:
        assert gathering.title in httpx.get(address + path, timeout=10).text


def test_a_released_image_is_what_its_commit_gives(deployed: Deployed) -> None:
    digest = built_digest(deployed.checkout)
    output = deployed.checkout.inv("rebuild", digest).stdout
    assert re.search(rf"{digest[7:19]} is what commit [0-9a-f]{{12}} gives", output), output


def test_what_the_replicas_log_is_printed(deployed: Deployed) -> None:
    printed = deployed.checkout.inv("logs", "--to", "ecs", "--since", "4h").stdout
    replicas = set(re.findall(r"^\d\d:\d\d:\d\d (\w{8}) \S", printed, re.MULTILINE))
    assert len(replicas) >= 2, printed


def test_exec_open_and_events_show_what_runs(deployed: Deployed) -> None:
    program = "import os; print(os.getuid()); exit(3)"
    ended = deployed.checkout.inv("exec", f'python -c "{program}"', check=False)
    # As ECS Exec: as root, whatever user the task has.
    assert (ended.stdout.split(), ended.returncode) == (["0"], 3), ended.stderr
    assert deployed.url in deployed.checkout.inv("open").stdout
    assert "has reached a steady state" in deployed.checkout.inv("events", "--since", "4h").stdout


def test_the_same_again_changes_nothing_and_says_so(deployed: Deployed) -> None:
    output = deployed.checkout.inv("deploy").stdout
    assert re.search(r"no changes", output), output
    assert deployed.url in output


def test_a_second_deploy_is_refused_and_hears_the_holder(deployed: Deployed) -> None:
    first = subprocess.Popen(
        ["./inv", "deploy"],
        cwd=deployed.checkout.folder,
        env=deployed.checkout.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lock = deployed.checkout.folder / ".local" / "locks" / "deploy.lock"
    while f'"pid": {first.pid}' not in (lock.read_text("utf-8") if lock.exists() else ""):
        assert first.poll() is None
        time.sleep(0.1)
    second = deployed.checkout.inv("deploy", check=False)
    assert second.returncode == 1
    assert f"pid {first.pid}" in second.stderr
    assert first.wait(timeout=300) == 0


def test_a_new_version_loses_no_request_and_no_gathering(disturbed: Deployed) -> None:
    checkout = disturbed.checkout
    gathering = create_gathering(disturbed.url)
    before = built_digest(checkout)
    checkout.edit("app/thanksgiving/views/system.py", r'_plain\("ready"\)', '_plain("ready now")')
    with Watcher(disturbed.url) as watcher:
        # As ./inv deploy does, without the tests: they have tests of their own.
        for stage in ("build", "push", "plan", "apply"):
            checkout.inv(stage)
    assert watcher.count > 20
    assert watcher.broken == []
    assert built_digest(checkout) != before
    assert httpx.get(f"{disturbed.url}/readyz", timeout=10).text == "ready now\n"
    assert gathering.title in httpx.get(gathering.guest_url, timeout=10).text


def test_a_new_signing_key_replaces_all_tasks_and_the_one_before_still_counts(
    disturbed: Deployed,
) -> None:
    checkout = disturbed.checkout
    before = answers(disturbed.url, 2)
    person = Browser(disturbed.url)
    page = person.open("/new")
    checkout.edit("environments/local.yaml", r"^aws:$", "aws:\n  secret_key_version: 2")
    checkout.inv("plan")
    checkout.inv("apply")
    after = answers(disturbed.url, 2)
    assert not before.keys() & after.keys()
    assert person.send(page, "/new", {"title": ""}, expect=422).status == 422  # its token counts


def test_an_image_that_dies_is_rolled_back_and_its_last_words_are_shown(
    disturbed: Deployed,
) -> None:
    checkout = disturbed.checkout
    running = checkout.status()["ecs"]["image"]
    checkout.edit(
        "app/app.py", r"^app = create_app\(\)", 'raise SystemExit("the turkey has burnt")'
    )
    with Watcher(disturbed.url) as watcher:
        checkout.inv("build")
        checkout.inv("push")
        checkout.inv("plan")
        failed = checkout.inv("apply", check=False)
    assert failed.returncode == 1
    assert "apply failed" in failed.stderr
    assert "the turkey has burnt" in failed.stdout
    assert watcher.broken == []
    after = checkout.status()["ecs"]
    assert (after["image"], after["healthy"]) == (running, True)


def test_a_failing_migration_replaces_no_task(disturbed: Deployed) -> None:
    checkout = disturbed.checkout
    before, running = answers(disturbed.url, 2), checkout.status()["ecs"]["image"]
    failing_migration(checkout)
    with Watcher(disturbed.url) as watcher:
        for stage in ("build", "push", "plan"):
            checkout.inv(stage)
        failed = checkout.inv("apply", check=False)
    assert failed.returncode == 1
    assert "no such table" in failed.stdout
    assert watcher.broken == []
    after = checkout.status()["ecs"]
    assert (after["image"], after["healthy"]) == (running, True)
    assert answers(disturbed.url, 2).keys() == before.keys()


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.alarm])
def test_a_version_that_is_healthy_and_serves_badly_leaves_ecs_by_itself(
    disturbed: Deployed, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout, fault = disturbed.checkout, FAULTS[name]
    switch = r"^  deployment_alarms:\n    enabled: false.*$"
    checkout.edit("environments/local.yaml", switch, "  deployment_alarms:\n    enabled: true")
    assert wait(lambda: not alarms_on(checkout), timeout=180)
    checkout.inv("plan")
    checkout.inv("apply")
    running, gathering = checkout.status()["ecs"]["image"], create_gathering(disturbed.url)
    plant(checkout, name)
    for stage in ("build", "push", "plan"):
        checkout.inv(stage)
    began = time.monotonic()
    with load.constant(disturbed.url, fault.rate) as sent:
        failed = checkout.inv("apply", check=False)
    took = time.monotonic() - began
    bad = len(sent.failures) or sum(seconds > 2 for seconds in sent.seconds)
    with capsys.disabled():
        print(
            f"\n{name}: off ECS {took:.0f} s after apply began, met by {bad} of {sent.sent} requests"
        )
    assert failed.returncode == 1
    assert re.search(
        rf"alarm \S+-deployment-{fault.alarm}: Threshold Crossed: 1 out of", failed.stderr
    )
    assert "last lines of the failed task" in failed.stdout
    after = checkout.status()["ecs"]
    assert (after["image"], after["healthy"]) == (running, True)
    assert gathering.title in httpx.get(gathering.guest_url, timeout=10).text


@pytest.mark.long
def test_a_version_that_fails_the_smoke_test_is_not_verified(disturbed: Deployed) -> None:
    checkout = disturbed.checkout
    checkout.edit("environments/local.yaml", r"^replicaCount:", "smoke: true\nreplicaCount:")
    checkout.inv("verify")
    plant(checkout, "claim")
    for stage in ("build", "push", "plan", "apply"):
        checkout.inv(stage)
    failed = checkout.inv("verify", check=False)
    assert failed.returncode == 1
    assert "verify failed" in failed.stderr
    assert "smoke" in failed.stderr


def test_wrong_names_are_refused_with_the_right_ones(checkout: Checkout) -> None:
    target = checkout.inv("deploy", "--to", "moon", check=False)
    assert target.returncode == 1
    assert "ecs" in target.stderr
    environment = checkout.inv("plan", "--environment", "prod", check=False)
    assert environment.returncode == 1
    assert "production" in environment.stderr
