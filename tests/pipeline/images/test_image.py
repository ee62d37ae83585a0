"""What an operator relies on in the image: who runs, what is in it, what is not, and that it serves."""

import re
import socket
import time
from collections.abc import Callable

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


def test_both_workers_and_the_master_run_as_the_fixed_user(
    address: str, container: Container
) -> None:
    assert address
    top = container.top(ps_args="-eo pid,uid,args")
    assert {row[1] for row in top["Processes"]} == {str(UID)}
    # The entrypoint starts the server again after an edit, in development alone.
    programs = [row for row in top["Processes"] if "start.py" not in row[2]]
    servers = [row for row in programs if "gunicorn" in row[2]]
    assert len(servers) == 3
    assert servers[0][2].endswith("gunicorn --bind 0.0.0.0:5000 --workers 2 app:app")


def test_the_configuration_is_the_contract(image: Image) -> None:
    config = image.attrs["Config"]
    assert config["User"] == f"{UID}:{UID}"
    assert set(config["Volumes"]) == {"/tmp", "/data"}  # noqa: S108 - in the container
    assert list(config["ExposedPorts"]) == ["5000/tcp"]
    assert config["Cmd"] == ["gunicorn", "--bind", "0.0.0.0:5000", "--workers", "2", "app:app"]
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert {"SECRET_KEY", "DATABASE_URL"}.isdisjoint(one.split("=")[0] for one in config["Env"])


def test_the_health_check_passes(address: str, container: Container) -> None:
    assert address
    code, output = container.exec_run(container.attrs["Config"]["Healthcheck"]["Test"][1:])
    assert (code, output) == (0, b"")


def test_there_is_nothing_to_install_or_build_with_and_no_shell(
    python: Callable[[str], str],
) -> None:
    programs = python(
        "import os\n"
        "folders = [*os.environ['PATH'].split(':'), '/usr/local/bin', '/usr/sbin', '/sbin', '/bin']\n"
        "print(*(name for folder in folders if os.path.isdir(folder) for name in os.listdir(folder)))\n"
    ).split()
    assert {"gunicorn", "python3.11"} <= set(programs)
    unwanted = re.compile(r"(ba|da|k|z)?sh|busybox|pip.*|apt.*|dpkg.*|curl|wget|gcc.*|cc|perl.*")
    assert [name for name in programs if unwanted.fullmatch(name)] == []


@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools"])
def test_no_module_installs_packages(python: Callable[[str], str], module: str) -> None:
    found = python(f"import importlib.util; print(importlib.util.find_spec({module!r}))")
    assert found == "None\n"


def test_nothing_is_setuid_and_nothing_but_the_data_is_writable(
    python: Callable[[str], str],
) -> None:
    script = (
        "import os, stat\n"
        "for folder, folders, files in os.walk('/'):\n"
        "    if folder == '/': folders[:] = [x for x in folders if x not in ('proc', 'sys', 'dev', 'tmp', 'data')]\n"
        "    for name in folders + files:\n"
        "        status = os.lstat(os.path.join(folder, name))\n"
        "        mode = status.st_mode\n"
        "        if stat.S_ISLNK(mode): continue\n"
        "        if not stat.S_ISDIR(mode) and mode & (stat.S_ISUID | stat.S_ISGID): print('setuid', folder, name)\n"
        "        if mode & stat.S_IWOTH or status.st_uid == os.getuid(): print('writable', folder, name)\n"
    )
    # These two come with Debian's base-files; as the rest they are read-only where the image runs.
    assert sorted(python(script).splitlines()) == ["writable /var lock", "writable /var tmp"]


def test_every_debian_package_is_named_for_scanners(python: Callable[[str], str]) -> None:
    packages = python("import os; print(*os.listdir('/var/lib/dpkg/status.d'))").split()
    assert {"libc6", "libssl3", "python3.11-minimal"} <= set(packages)


def test_the_standard_library_finds_all_that_it_loads(python: Callable[[str], str]) -> None:
    script = (
        "import importlib, pathlib, sysconfig\n"
        "extensions = pathlib.Path(sysconfig.get_path('stdlib'), 'lib-dynload').glob('*.so')\n"
        "modules = [path.name.partition('.')[0] for path in extensions]\n"
        "for name in modules: importlib.import_module(name)\n"
        "print(len(modules))\n"
    )
    assert int(python(script)) > 20


def test_nothing_is_compiled_at_a_start_or_a_health_check(python: Callable[[str], str]) -> None:
    script = (
        "import sys, os, http.client, gunicorn.app.wsgiapp, thanksgiving.migrate, app\n"
        "files = [getattr(each, '__cached__', None) for each in [*sys.modules.values()]]\n"
        "print(*(file for file in files if file and not os.path.exists(file)))\n"
    )
    assert python(script).split() == []


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
        running.remove(force=True, v=True)


def test_libraries_are_found_at_run_time(python: Callable[[str], str]) -> None:
    # The C library loads libgcc_s by name when a thread is ended.
    python("import ctypes; ctypes.CDLL('libgcc_s.so.1'); ctypes.CDLL('libstdc++.so.6')")


def test_certificates_of_the_public_authorities_are_there(python: Callable[[str], str]) -> None:
    count = python("import ssl; print(len(ssl.create_default_context().get_ca_certs()))")
    assert int(count) > 50


def test_the_code_belongs_to_root_and_the_user_cannot_change_it(host: Host) -> None:
    code = host.file("/proc/1/root/app/app.py")
    assert (code.user, code.group, code.mode) == ("root", "root", 0o644)
    assert host.file("/proc/1/root/app").mode == 0o755


@pytest.mark.parametrize("program", ["bin/sh", "bin/bash", "usr/bin/apt", "usr/bin/dpkg"])
def test_an_operator_finds_no_shell_and_no_package_manager(host: Host, program: str) -> None:
    assert host.file("/proc/1/root/app/app.py").exists
    assert not host.file(f"/proc/1/root/{program}").exists


def test_the_user_can_write_to_a_fresh_volume_at_each_declared_path(image: Image) -> None:
    # No tmpfs: Docker fills the volumes as Fargate fills a task's, with owner and mode of the image.
    container = docker.from_env().containers.create(
        str(image.id),
        [
            "python",
            "-c",
            "import tempfile as t; [t.TemporaryFile(dir=d) for d in ('/tmp', '/data')]",
        ],
        read_only=True,
    )
    try:
        container.start()
        assert container.wait(timeout=60)["StatusCode"] == 0, container.logs().decode()
    finally:
        container.remove(force=True, v=True)
