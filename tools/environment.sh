#!/bin/sh
# Makes a Python environment from a lock: .local/venv from requirements/pipeline.txt, or with a NAME the one of a tool whose
# pins would bind ours. Needs Python 3.11 or newer and git; fetches uv by pip when it is missing.
# Usage: tools/environment.sh ROOT [NAME]
set -eu
root=$1
name=${2:-pipeline}
lock="$root/requirements/$name.txt"
venv="$root/.local/venv"
ours= # the interpreter of the environment that is there already
if [ "$name" != pipeline ]; then
  ours="$venv/bin/python"
  venv="$root/.local/environments-python/$name"
fi
log="$root/.local/logs/environment-$name.log"
mkdir -p "$root/.local/logs"

fail() {
  echo "environment failed: $1. Next: $2. Log: $log" >&2
  exit 1
}

# The environment's programs name their interpreter by its path, with links resolved: a moved checkout needs a new one.
is_here() {
  [ "$(cat "$venv/place" 2>/dev/null)" = "$(CDPATH='' cd -P -- "$venv" 2>/dev/null && pwd)" ]
}

is_made() {
  [ -d "$venv" ] && is_here && cat "$lock" "$root/requirements/uv.txt" | cmp -s - "$venv/locked.txt" 2>/dev/null
}

# One process makes the environment; a second one waits for it and then finds it ready.
if command -v flock >/dev/null 2>&1 && [ "${INV_LOCKED:-}" != "$name" ]; then
  exec env INV_LOCKED="$name" flock "$root/.local/environment-$name.lock" sh "$0" "$root" "$name"
fi
if is_made; then
  exit 0
fi

python=
for candidate in ${ours:+"$ours"} python3.11 python3.12 python3.13 python3.14 python3; do
  if command -v "$candidate" >/dev/null 2>&1 &&
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || fail "no Python 3.11 or newer was found" "install python3 (3.11 or newer) and run ./inv again"

echo "Preparing the locked environment in ${venv#"$root/"} (first run, or a lock has changed) …" >&2
if command -v uv >/dev/null 2>&1; then
  uv=uv
else
  uv="$root/.local/uv/bin/uv"
  if ! [ -x "$uv" ]; then
    "$python" -m pip --version >"$log" 2>&1 || fail "$python has no pip" "install python3-pip, or uv, and run ./inv again"
    "$python" -m pip install --quiet --require-hashes --target "$root/.local/uv" \
      -r "$root/requirements/uv.txt" >"$log" 2>&1 ||
      fail "uv could not be installed by pip" "read the log; check the network and any proxy"
  fi
fi

# What a link leads to is another checkout's: used as it is, or not at all.
[ ! -L "$venv" ] || rm "$venv"
mkdir -p "$venv"
venv=$(CDPATH='' cd -P -- "$venv" && pwd)
is_here || find "$venv" -mindepth 1 -delete
rm -f "$venv/locked.txt"
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}" UV_NO_PROGRESS=1
{
  "$uv" venv --quiet --allow-existing --no-python-downloads --python "$python" "$venv" &&
    "$uv" pip sync --quiet --require-hashes --python "$venv/bin/python" "$lock"
} >"$log" 2>&1 || fail "the locked packages could not be installed" "read the log; check the network and free disk space"
# Bytecode now, once: the first task should not pay for it.
"$venv/bin/python" -m compileall -q "$venv/lib" >>"$log" 2>&1 || echo "compileall: see $log" >&2
printf '%s\n' "$venv" >"$venv/place"
cat "$lock" "$root/requirements/uv.txt" >"$venv/locked.txt"
