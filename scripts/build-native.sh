#!/usr/bin/env bash
# Builds the native addon for one libtorch: the folder that LIBTORCH names, else the distribution's. Skipped when fresh.
set -euo pipefail
cd "$(dirname "$0")/.."
libtorch="${LIBTORCH:-}"
name="system"
if [ -n "$libtorch" ]; then
  libtorch="$(cd "$libtorch" && pwd)"
  name="$(printf '%s' "$libtorch" | sha256sum | cut -c1-12)"
fi
build="build/native-$name"
addon="$build/bidora.node"
mkdir -p "$build"
exec 9>"$build/lock"
flock 9  # two at the same time would mix their files
if [ -f "$addon" ] && [ -z "$(find native node_modules/node-addon-api/package.json scripts/build-native.sh -newer "$addon" -type f -print -quit)" ]; then
  exit 0
fi
log="$build/build.log"
if ! { cmake -S native -B "$build" -DLIBTORCH="$libtorch" && cmake --build "$build" --parallel 2; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "The native addon did not build; the whole log is in $log." >&2
  exit 1
fi
touch "$addon"
