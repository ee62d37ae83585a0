"""The emulator versions that the extensions were written against; another version is refused."""

from importlib import metadata

PINNED = {"ministack": "1.5.33", "moto": "5.2.5"}


def check(name: str) -> None:
    """Raises SystemExit with one clear line unless the installed emulator is the pinned one."""
    found = metadata.version(name)
    if found != PINNED[name]:
        raise SystemExit(
            f"the local AWS extends {name} {PINNED[name]}, but {found} is installed: "
            "install localaws again into its environment"
        )
