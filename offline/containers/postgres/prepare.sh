#!/bin/sh
# Runs before the packages are installed: the official image's user id, and no cluster made at installation.
# Usage: prepare.sh ROOT
set -eu
root=$1

# The essential packages hold no useradd yet.
echo 'postgres:x:70:70:PostgreSQL:/var/lib/postgresql:/bin/sh' >>"$root/etc/passwd"
echo 'postgres:x:70:' >>"$root/etc/group"
mkdir -p "$root/etc/postgresql-common"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
