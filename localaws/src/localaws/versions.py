"""The emulator versions that the extensions wrap; another version is refused."""

from importlib import metadata

PINNED = {"ministack": "1.5.33", "moto": "5.2.5"}


def check(name: str) -> None:
    """Raises SystemExit with one clear line unless the installed emulator is the pinned one."""
    installed = metadata.version(name)
    if installed != PINNED[name]:
        raise SystemExit(
            f"the local AWS extends {name} {PINNED[name]}, but {installed} is installed: "
            "install localaws again into its environment"
        )
