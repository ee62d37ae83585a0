"""Assembles the smallest root file system that runs the application: run by the Dockerfile in the base image.

Copies the interpreter, the part of its standard library that a server uses, a few programs for a look inside, and every
shared library that any of these (or the application's packages) needs. What it takes from a Debian package stays listed
in dpkg's status, with its copyright file, so that vulnerability scanners see it.

Usage: rootfs.py TARGET PACKAGES_FOLDER
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

UID = 10001
#: Enough to look around in a running container and for the tests of the image. No package manager, no network tool.
PROGRAMS = (
    "sh",
    "cat",
    "env",
    "getent",
    "id",
    "ls",
    "readlink",
    "sha256sum",
    "sleep",
    "stat",
    "test",
)
FILES = (
    "/etc/debian_version",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/openssl.cnf",
    "/usr/share/zoneinfo",
)
#: Of the standard library: what needs a display, a compiler, a terminal or a test run.
UNUSED_MODULES = {
    "__phello__",
    "_pydecimal.py",
    "curses",
    "dist-packages",
    "distutils",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "venv",
}
UNUSED_EXTENSIONS = (
    "_ctypes_test",
    "_curses",
    "_dbm",
    "_gdbm",
    "_test",
    "_tkinter",
    "_xxtestfuzz",
    "nis",
    "readline",
    "xxlimited",
)
UNUSED_ZONES = {"posix", "right", "posixrules"}


def main(target: Path, packages: Path) -> None:
    """Fills ``target``; ``packages`` is the folder of the installed Python packages, which is only read."""
    tree = Tree(target)
    interpreter = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    tree.add(interpreter)
    # The names that a virtual environment and people use for it.
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        for folder in (interpreter.parent, Path("/usr/local/bin")):
            tree.add_if_there(folder / name)
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is None:
            sys.exit(f"the base image has no {name}")
        tree.add(Path(found))
    for file in FILES:
        tree.add(Path(file), skip=lambda path: path.name in UNUSED_ZONES)
    tree.add(library, skip=unused)
    extensions = [path for path in packages.rglob("*.so*") if path.is_file()]
    for needed in shared_libraries([*tree.elf_files(), *extensions], packages):
        tree.add(needed)
    # The C library loads it by name when a thread is ended; nothing is linked with it.
    for needed in Path("/lib").glob("*-linux-gnu*/libgcc_s.so.1"):
        tree.add(needed)
    keep_package_records(tree)
    write_accounts(target)
    for name in ("data", "dev", "proc", "run", "sys", "tmp"):
        (target / name).mkdir(parents=True, exist_ok=True)
    if not (target / "bin").exists():
        # `docker exec … /bin/sh` and scripts name the shell by this path.
        (target / "bin").symlink_to("usr/bin")
    # The database of one replica without a server, and scratch files; all else stays as it is.
    os.chown(target / "data", UID, UID)
    (target / "tmp").chmod(0o1777)
    subprocess.run(["ldconfig", "-r", str(target)], check=True)
    shutil.rmtree(target / "var" / "cache", ignore_errors=True)


def unused(path: Path) -> bool:
    """Whether a part of the standard library stays out; bytecode is made afresh afterwards."""
    if path.name in UNUSED_MODULES or path.name == "__pycache__":
        return True
    if path.name.startswith("config-3."):  # the static library and what builds extensions
        return True
    return path.parent.name == "lib-dynload" and path.name.startswith(UNUSED_EXTENSIONS)


class Tree:
    """The root file system being filled: paths keep their places, links stay links, and their targets come too."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.taken: set[Path] = set()
        self._inodes: dict[tuple[int, int], Path] = {}
        target.mkdir(parents=True, exist_ok=True)

    def add(self, path: Path, skip=lambda _path: False) -> None:  # type: ignore[no-untyped-def]
        """Copies a file, or a folder without what ``skip`` names, and all links on the way to it."""
        real = self._links(path)
        if real.is_dir():
            self._folder(real)
            for child in sorted(real.iterdir()):
                if not skip(child):
                    self.add(child, skip)
        elif real not in self.taken:
            self._file(real)

    def add_if_there(self, path: Path) -> None:
        """Copies a path if the base image has it."""
        if path.exists():
            self.add(path)

    def elf_files(self) -> list[Path]:
        """The programs and libraries taken so far."""
        return [path for path in sorted(self.taken) if is_elf(path)]

    def _links(self, path: Path) -> Path:
        """Recreates every symbolic link on the way; the path without links."""
        real = Path("/")
        parts = list(path.absolute().parts[1:])
        while parts:
            step = real / parts.pop(0)
            if step.is_symlink():
                goal = step.readlink()
                copy = self.target / step.relative_to("/")
                self._folder(step.parent)
                if not copy.is_symlink():
                    copy.symlink_to(goal)
                if not step.is_dir():  # nearly every package lists the links /lib and /bin
                    self.taken.add(step)
                if goal.is_absolute():
                    real, parts = Path("/"), [*goal.parts[1:], *parts]
                else:
                    parts = [*goal.parts, *parts]
            elif step.name == "..":
                real = real.parent
            else:
                real = step
        return real

    def _folder(self, path: Path) -> None:
        copy = self.target / path.relative_to("/")
        if not copy.is_dir():
            self._folder(path.parent)
            copy.mkdir()
            shutil.copystat(path, copy)

    def _file(self, path: Path) -> None:
        self._folder(path.parent)
        copy = self.target / path.relative_to("/")
        status = path.stat()
        same = (status.st_dev, status.st_ino)
        if same in self._inodes:
            os.link(self._inodes[same], copy)  # zone files are many names of few files
        else:
            shutil.copy2(path, copy)
            self._inodes[same] = copy
            # Nothing in the image runs as another user than the one who calls it.
            copy.chmod(status.st_mode & 0o777)
        self.taken.add(path)


def is_elf(path: Path) -> bool:
    """Whether a file is a program or shared library."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def shared_libraries(files: list[Path], packages: Path) -> set[Path]:
    """What the loader maps for these files from outside of ``packages``, itself included; ends when one is missing."""
    needed: set[Path] = set()
    for file in files:
        told = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False)
        for line in told.stdout.splitlines():
            words = line.split()
            if "not found" in line:
                sys.exit(f"{file} needs a library that the base image lacks: {line.strip()}")
            place = words[2] if "=>" in words else words[0] if words else ""
            # Wheels bring libraries of their own; they stay where they are.
            if place.startswith("/") and not Path(place).is_relative_to(packages):
                needed.add(Path(place))
    return needed


def keep_package_records(tree: Tree) -> None:
    """Writes dpkg's status of the packages that own a taken file, and their copyright files."""
    information = Path("/var/lib/dpkg/info")
    taken = {str(path) for path in tree.taken}
    # Lists name files by their place before /lib and /bin became links to /usr.
    taken |= {name.removeprefix("/usr") for name in taken}
    kept: set[str] = set()
    for listing in sorted(information.glob("*.list")):
        if taken.intersection(listing.read_text(encoding="utf-8").split("\n")):
            kept.add(listing.name.removesuffix(".list").partition(":")[0])
    status = Path("/var/lib/dpkg/status").read_text(encoding="utf-8")
    records = [
        record
        for record in status.split("\n\n")
        if record.startswith("Package: ") and record.split("\n", 1)[0].split()[1] in kept
    ]
    if not records:
        sys.exit("no Debian package owns what was taken: a scanner would see nothing")
    target = tree.target / "var" / "lib" / "dpkg" / "status"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n\n".join(records) + "\n", encoding="utf-8")
    for package in sorted(kept):
        tree.add_if_there(Path("/usr/share/doc") / package / "copyright")


def write_accounts(target: Path) -> None:
    """The users root, app and nobody; none has a password or a login shell."""
    shell = "/usr/sbin/nologin"
    users = (("root", 0, "/"), ("app", UID, "/app"), ("nobody", 65534, "/nonexistent"))
    passwd = "".join(f"{name}:x:{uid}:{uid}:{name}:{home}:{shell}\n" for name, uid, home in users)
    group = "".join(f"{name}:x:{uid}:\n" for name, uid, _ in users)
    (target / "etc" / "passwd").write_text(passwd, encoding="utf-8")
    (target / "etc" / "group").write_text(group, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
