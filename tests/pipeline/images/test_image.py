"""What an operator relies on in the image: who runs, what is in it, what is not, and that it serves."""

import socket
import time

import docker
import httpx
import pytest
from docker.models.containers import Container
from docker.models.images import Image
from testinfra.host import Host

from tests.pipeline.images.running import UID

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def address(container: Container) -> str:
    """The container's address, once it is ready."""
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    url = f"http://{next(iter(networks))['IPAddress']}:5000"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK:
                return url
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(container.logs().decode())


def test_it_serves_on_a_read_only_root_without_rights(address: str) -> None:
    assert httpx.get(f"{address}/healthz", timeout=5).text == "ok\n"
    assert "Thanksgiving" in httpx.get(address, timeout=5).text


def test_version_names_the_build(address: str, image: Image) -> None:
    answer = httpx.get(f"{address}/version", timeout=5).json()
    labels = image.labels
    assert answer["version"] == labels["org.opencontainers.image.version"]
    assert answer["commit"] == labels["org.opencontainers.image.revision"]


def test_both_workers_and_the_master_run_as_the_fixed_user(address: str, host: Host) -> None:
    assert address
    pids = [name for name in host.check_output("ls /proc").split() if name.isdigit()]
    servers = []
    for pid in pids:
        command = host.run(f"cat /proc/{pid}/cmdline").stdout.replace("\0", " ")
        if "gunicorn" in command and "--bind" in command:
            servers.append(command)
            status = host.check_output(f"cat /proc/{pid}/status")
            uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()
            assert uid[1:] == [str(UID)] * 4
    assert len(servers) == 3
    assert "gunicorn --bind 0.0.0.0:5000 --workers 2 app:app" in servers[0]


def test_the_configuration_is_the_contract(image: Image) -> None:
    config = image.attrs["Config"]
    assert config["User"] == f"{UID}:{UID}"
    assert list(config["ExposedPorts"]) == ["5000/tcp"]
    assert config["Cmd"] == ["gunicorn", "--bind", "0.0.0.0:5000", "--workers", "2", "app:app"]
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert {"SECRET_KEY", "DATABASE_URL"}.isdisjoint(one.split("=")[0] for one in config["Env"])


def test_the_health_check_passes(address: str, container: Container) -> None:
    assert address
    code, output = container.exec_run(container.attrs["Config"]["Healthcheck"]["Test"][1:])
    assert (code, output) == (0, b"")


@pytest.mark.parametrize("program", ["pip", "pip3", "apt-get", "dpkg", "curl", "gcc", "perl"])
def test_there_is_nothing_to_install_or_build_with(host: Host, program: str) -> None:
    assert not host.exists(program)


def test_no_module_installs_packages(host: Host) -> None:
    assert host.run("python -c 'import pip'").rc != 0
    assert host.run("python -c 'import ensurepip'").rc != 0


def test_nothing_is_setuid_and_nothing_but_the_data_is_writable(image: Image, host: Host) -> None:
    script = (
        "import os, stat\n"
        "for folder, folders, files in os.walk('/'):\n"
        "    if folder == '/': folders[:] = [x for x in folders if x not in ('proc', 'sys', 'dev', 'tmp', 'data')]\n"
        "    for name in folders + files:\n"
        "        mode = os.lstat(os.path.join(folder, name)).st_mode\n"
        "        if stat.S_ISLNK(mode): continue\n"
        "        if mode & (stat.S_ISUID | stat.S_ISGID) or mode & stat.S_IWOTH:\n"
        "            print(os.path.join(folder, name))\n"
    )
    assert image.id
    assert host.check_output("python -c %s", script) == ""


def test_the_packages_that_remain_are_named_for_scanners(host: Host) -> None:
    assert "Package: libc6" in host.check_output("cat /var/lib/dpkg/status")


def test_it_ends_in_order_on_sigterm(image: Image) -> None:
    client = docker.from_env()
    running = client.containers.run(
        str(image.id),
        detach=True,
        environment={"ENVIRONMENT": "development", "DRAIN_SECONDS": "0"},
        tmpfs={"/data": f"uid={UID}"},
    )
    try:
        running.reload()
        ip = next(iter(running.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex((ip, 5000)) == 0:
                    break
            time.sleep(0.1)
        running.kill("SIGTERM")
        assert running.wait(timeout=30)["StatusCode"] == 0
    finally:
        running.remove(force=True)


def test_the_library_that_ends_threads_is_there(host: Host) -> None:
    host.check_output("python -c \"import ctypes; ctypes.CDLL('libgcc_s.so.1')\"")
