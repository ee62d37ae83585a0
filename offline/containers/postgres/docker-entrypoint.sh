#!/bin/sh
# The part of the official PostgreSQL image's contract that this repository uses.
#   POSTGRES_PASSWORD[_FILE]  password of the superuser; required when the database is made
#   POSTGRES_USER[_FILE]      its name (postgres)          POSTGRES_DB[_FILE]  a database to make (same as the user)
#   POSTGRES_INITDB_ARGS      further arguments of initdb  PGDATA              the data folder
# As root it takes the data folder over and goes on as the user postgres. Not here: /docker-entrypoint-initdb.d.
set -eu

# setting NAME DEFAULT: the value of NAME, or what the file NAME_FILE holds, or the default.
setting() {
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  if [ -z "$value" ] && [ -n "$file" ]; then
    value=$(cat "$file")
  fi
  printf '%s' "${value:-$2}"
}

# The new cluster is made aside and moved into place with PG_VERSION last: whatever ends this script, the next start
# finds either a whole cluster or none.
make_cluster() {
  new="$PGDATA/.new"
  if [ ! -e "$new/.complete" ]; then
    user=$(setting POSTGRES_USER postgres)
    password=$(setting POSTGRES_PASSWORD '')
    database=$(setting POSTGRES_DB "$user")
    if [ -z "$password" ]; then
      echo "POSTGRES_PASSWORD is not set: a new database needs a password for its superuser" >&2
      exit 1
    fi
    rm -rf "$new"
    password_file=$(mktemp)
    printf '%s\n' "$password" >"$password_file"
    # shellcheck disable=SC2086 # POSTGRES_INITDB_ARGS are several words
    initdb --pgdata="$new" --username="$user" --pwfile="$password_file" --encoding=UTF8 --no-sync \
      --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
    rm -f "$password_file"
    echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
    if [ "$database" != postgres ]; then
      printf 'CREATE DATABASE "%s";\n' "$(printf '%s' "$database" | sed 's/"/""/g')" |
        postgres --single -D "$new" -c fsync=off postgres >/dev/null
    fi
    # A tmpfs keeps nothing over a crash anyway; on a disk the files must be there before they count.
    if [ "$(stat -f -c %T "$PGDATA")" != tmpfs ]; then
      initdb --sync-only --pgdata="$new"
    fi
    touch "$new/.complete"
  fi
  find "$new" -mindepth 1 -maxdepth 1 ! -name PG_VERSION ! -name .complete -exec mv -f -t "$PGDATA" {} +
  mv "$new/PG_VERSION" "$PGDATA/"
  rm -rf "$new"
}

case ${1:-postgres} in
  -*) set -- postgres "$@" ;;
esac

if [ "${1:-postgres}" = postgres ]; then
  if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$PGDATA"
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
  fi
  mkdir -p "$PGDATA"
  # The folder of a volume may belong to root with the group of the pod; then its mode cannot and need not change.
  chmod 0700 "$PGDATA" 2>/dev/null || [ -w "$PGDATA" ]
  [ -s "$PGDATA/PG_VERSION" ] || make_cluster
  [ "$#" -gt 0 ] && shift
  set -- postgres -c listen_addresses='*' "$@"
fi
exec "$@"
