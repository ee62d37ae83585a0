#!/bin/sh
# Runs after the packages are installed: the entrypoint, and the folders that the official image has.
# Usage: customize.sh ROOT
set -eu
root=$1

install -m 0755 "$(dirname -- "$0")/docker-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
install -d -o 70 -g 70 -m 1777 "$root/var/lib/postgresql/data"
install -d -o 70 -g 70 -m 3777 "$root/var/run/postgresql"
