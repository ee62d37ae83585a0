"""The version of ministack that the extensions wrap; another one is refused."""

from importlib import metadata

PINNED = "1.5.33"


def check() -> None:
    """Raises SystemExit with one clear line unless the installed emulator is the pinned one."""
    installed = metadata.version("ministack")
    if installed != PINNED:
        raise SystemExit(
            f"the local AWS extends ministack {PINNED}, but {installed} is installed: "
            "install localaws again into its environment"
        )
