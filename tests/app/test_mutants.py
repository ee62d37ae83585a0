# ruff: noqa: E501 - a table
"""Breaks the claim logic and the link checks on purpose, one place at a time: the tests must notice each."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("tests/app/test_claims.py", "tests/app/test_pages.py")

#: file, what stands there (once), what a mistake would make of it.
MUTANTS = [
    ("claims.py", 'type_=Integer) <= Dish.wanted', 'type_=Integer) <= Dish.wanted + 1'),
    ("claims.py", 'type_=Integer) <= Dish.wanted', 'type_=Integer) < Dish.wanted'),
    ("claims.py", "if run(connection, _TAKE, change).rowcount == 0:", "if run(connection, _TAKE, change).rowcount == 9:"),
    ("claims.py", '"portions": portions - held}', '"portions": portions}'),
    ("claims.py", "if held == portions:", "if False:"),
    ("claims.py", "    if own:\n        raise RefusedError(Outcome.GONE)", "    if False:\n        raise RefusedError(Outcome.GONE)"),
    ("claims.py", "    if not held:\n", "    if False:\n"),
    ("claims.py", '"portions": -held}', '"portions": -1}'),
    ("claims.py", ', Dish.gathering_id == bindparam("gathering"))', ")"),
    ("claims.py", "    if not attending:\n", "    if False:\n"),
    ("claims.py", "Guest.visitor == visitor, Guest.attending", "Guest.attending"),
    ("claims.py", ">= MAX_DISHES", "> MAX_DISHES"),
    ("guests.py", "revision=Gathering.revision + 1", "revision=Gathering.revision + 0"),
    ("guests.py", "    if not rsvps_open:\n", "    if False:\n"),
    ("guests.py", "return 0 if given.attending else give_back", "return 0 if True else give_back"),
    ("gatherings.py", ".values(taken=Dish.taken - held)", ".values(taken=Dish.taken)"),
    ("gatherings.py", "Gathering.edit_version == edit_version", "Gathering.edit_version >= edit_version"),
    ("gatherings.py", "guest_digest=links.digest(token) if token else None", "guest_digest=Gathering.guest_digest"),
    ("gatherings.py", ".values(organiser_digest=links.digest(token))", ".values(organiser_digest=Gathering.organiser_digest)"),
    ("gatherings.py", "Gathering.organiser_digest == links.digest(organiser_token)", "Gathering.guest_digest == links.digest(organiser_token)"),
    ("links.py", "hashlib.sha256(token.encode", "hashlib.sha256(token[:4].encode"),
    ("snapshot.py", 'Gathering.guest_digest == bindparam("digest")', 'Gathering.organiser_digest == bindparam("digest")'),
    ("snapshot.py", 'Gathering.organiser_digest == bindparam("digest")', 'Gathering.guest_digest == bindparam("digest")'),
    ("snapshot.py", "if found is None:", "if False:"),
    ("models.py", "WHERE rsvps_open AND attending", "WHERE attending"),
    ("models.py", "WHERE rsvps_open AND attending", "WHERE rsvps_open"),
    ("models.py", " AND own_guest_id IS NULL;", ";"),
    ("models.py", "JOIN dish ON dish.gathering_id = gathering.id", "JOIN dish"),
    ("models.py", "taken + NEW.portions - OLD.portions", "taken + NEW.portions"),
    ("models.py", "OLD.guest_id, NEW.portions WHERE", "OLD.guest_id, 1 WHERE"),
    ("models.py", "revision = revision + 1 WHERE id = OLD", "revision = revision WHERE id = OLD"),
    ("claims.py", "guest_digest = :digest AND visitor = :visitor AND", "guest_digest = :digest AND"),
    ("claims.py", "AND portions <> :portions AND", "AND"),
    ("claims.py", "{_PLACE} AND portions > 0", "{_PLACE}"),
    ("db.py", "driver.total_changes > before", "driver.total_changes >= before"),
    ("db.py", "        except (IntegrityError, self._driver.IntegrityError):\n            return False", "        except (IntegrityError, self._driver.IntegrityError):\n            return True"),
]  # fmt: skip
#: The same where only PostgreSQL comes by.
POSTGRESQL_MUTANTS = [
    ("claims.py", "AND rsvps_open FOR NO KEY UPDATE", "FOR NO KEY UPDATE"),
    ("claims.py", "AND rsvps_open FOR NO KEY UPDATE", "AND rsvps_open"),
    ("claims.py", "visitor = :visitor AND attending", "attending"),
    ("claims.py", "AND attending FOR SHARE OF guest", "FOR SHARE OF guest"),
    ("claims.py", "AND attending FOR SHARE OF guest", "AND attending"),
    ("claims.py", "taken = taken + :portions FROM who", "taken = taken + 1 FROM who"),
    ("claims.py", "WHERE dish.id = :dish AND dish.gathering_id = who.gathering_id\n        AND own", "WHERE dish.id = :dish\n        AND own"),
    ("claims.py", "SELECT dish_id, guest_id, :portions FROM", "SELECT dish_id, guest_id, 1 FROM"),
    ("claims.py", "guest_id = who.id AND dish.id = dish_id", "dish.id = dish_id"),
    ("claims.py", "who.gathering_id AND own_guest_id IS NULL", "who.gathering_id"),
    ("claims.py", "SET taken = taken - portions FROM", "SET taken = taken - 1 FROM"),
    ("db.py", "        except (IntegrityError, self._driver.IntegrityError):\n            return False", "        except (IntegrityError, self._driver.IntegrityError):\n            return True"),
    ("db.py", ".rowcount > 0)", ".rowcount >= 0)"),
]  # fmt: skip


@pytest.mark.engine
@pytest.mark.parametrize(
    ("file", "old", "new"), MUTANTS, ids=[f"{m[0]}-{n}" for n, m in enumerate(MUTANTS)]
)
def test_a_mistake_is_noticed(tmp_path: Path, file: str, old: str, new: str) -> None:
    _is_noticed(tmp_path, file, old, new, "not engine")


@pytest.mark.engine
@pytest.mark.parametrize(
    ("file", "old", "new"),
    POSTGRESQL_MUTANTS,
    ids=[f"{m[0]}-{n}" for n, m in enumerate(POSTGRESQL_MUTANTS)],
)
def test_a_mistake_on_postgresql_is_noticed(tmp_path: Path, file: str, old: str, new: str) -> None:
    _is_noticed(tmp_path, file, old, new, "engine")


def _is_noticed(tmp_path: Path, file: str, old: str, new: str, tests: str) -> None:
    copy = tmp_path / "copy"
    for folder in ("app", "pipeline", "tests/app"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    source = copy / "app" / "thanksgiving" / file
    content = source.read_text()
    assert content.count(old) == 1, "the mutant no longer fits the code: adapt it"
    source.write_text(content.replace(old, new))
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        tests,
    ]
    done = subprocess.run(
        [*argv, *TESTS], cwd=copy, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1, f"nobody noticed:\n{old}\n{new}\n{done.stdout[-2000:]}"
