"""Where the provider comes from: a mirror that is named or found, else the registry; a user's own file is respected."""

from pathlib import Path

import pytest

from pipeline.core.errors import PipelineError
from pipeline.core.tools import platform
from pipeline.terraform import cli


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    version = cli.locked_version()
    folder = tmp_path / "software" / "plugins"
    (folder / cli.PROVIDER / version / platform()).mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "LOCAL", tmp_path / "local")
    monkeypatch.setattr(cli, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_version_is_that_of_the_lock_file() -> None:
    assert cli.locked_version() == "5.100.0"


def test_a_mirror_is_found_below_a_software_root(mirror: Path) -> None:
    assert cli.find_mirror({}, [str(mirror.parent.parent)]) == mirror
    assert cli.find_mirror({}, [str(mirror.parent)]) == mirror
    assert cli.find_mirror({}, [str(mirror)]) == mirror


def test_a_mirror_of_another_version_is_none(tmp_path: Path) -> None:
    (tmp_path / cli.PROVIDER / "4.0.0" / platform()).mkdir(parents=True)
    assert cli.find_mirror({}, [str(tmp_path)]) is None


def test_a_named_mirror_wins(mirror: Path) -> None:
    assert cli.find_mirror({"TF_PLUGIN_MIRROR": str(mirror)}, []) == mirror


def test_a_named_folder_that_is_no_mirror_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="TF_PLUGIN_MIRROR"):
        cli.find_mirror({"TF_PLUGIN_MIRROR": str(tmp_path)}, [])


def test_the_configuration_uses_the_mirror(mirror: Path) -> None:
    file = cli.configuration({"TF_PLUGIN_MIRROR": str(mirror)})
    assert file is not None
    assert f'path    = "{mirror}"' in file.read_text(encoding="utf-8")


def test_without_a_mirror_the_registry_and_a_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "find_mirror", lambda _environ: None)
    environ = cli.environment({"TF_CLI_CONFIG_FILE": str(tmp_path / "missing")}, tmp_path)
    assert "TF_CLI_CONFIG_FILE" not in environ
    assert Path(environ["TF_PLUGIN_CACHE_DIR"]).is_dir()
    assert environ["TF_REGISTRY_DISCOVERY_RETRY"] == "5"  # once where nothing is said


def test_a_users_own_settings_stay_in_force(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "find_mirror", lambda _environ: None)
    own = tmp_path / "own.tfrc"
    own.touch()
    settings = {"TF_CLI_CONFIG_FILE": str(own), "TF_REGISTRY_DISCOVERY_RETRY": "1"}
    environ = cli.environment(settings, tmp_path)
    assert settings.items() <= environ.items()
    assert "TF_PLUGIN_CACHE_DIR" not in environ
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".terraformrc").touch()
    environ = cli.environment({}, tmp_path)
    assert environ.keys() & {"TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR"} == set()


def test_arguments_and_variables_from_outside_do_not_reach_terraform(tmp_path: Path) -> None:
    foreign = dict.fromkeys(("TF_CLI_ARGS_plan", "TF_VAR_region", "TF_WORKSPACE"), "x")
    environ = cli.environment(foreign, tmp_path / "data")
    assert environ.keys() & foreign.keys() == set()
    assert environ["TF_DATA_DIR"] == str(tmp_path / "data")
