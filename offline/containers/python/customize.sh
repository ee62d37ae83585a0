#!/bin/sh
# Makes Debian's Python look like the official image's: `python` and `pip` in /usr/local/bin, pip allowed to install.
# Usage: customize.sh ROOT
set -eu
root=$1

rm -f "$root"/usr/lib/python3.*/EXTERNALLY-MANAGED
ln -s /usr/bin/python3 "$root/usr/local/bin/python"
ln -s /usr/bin/python3 "$root/usr/local/bin/python3"
# pip and setuptools from the wheels that Debian ships for venv; without an index, so nothing is fetched.
# shellcheck disable=SC2016 # expanded inside
chroot "$root" sh -euc '
  wheels=/usr/share/python-wheels
  for wheel in "$wheels"/pip-*.whl; do
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$wheel python3 -m pip install --quiet --root-user-action=ignore \
      --no-index --no-compile --find-links "$wheels" pip setuptools
  done
'
