#!/usr/bin/env bash
# Builds the native addon for one libtorch: the one in the folder LIBTORCH, or else the distribution's. Skipped if it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "$*" >&2; exit 1; }

libtorch="${LIBTORCH:-}"
name="system"
if [ -n "$libtorch" ]; then
  libtorch="$(cd "$libtorch" && pwd)" || fail "LIBTORCH is $libtorch, which is not a folder."
  name="$(printf '%s' "$libtorch" | sha256sum | cut -c1-12)"
fi
build="build/native-$name"
addon="$build/bidora.node"
{ mkdir -p "$build" && [ -w "$build" ]; } 2>/dev/null ||
  fail "The native addon is built in $PWD/build, which this user cannot write to: run this as the owner, or install the package in a folder that you can write to."
exec 9>"$build/lock"
flock 9  # one build at a time

# npm may install these next to the package or inside it: Node finds them as it would at run time.
include_of() {
  node -p "path.resolve(require.resolve('$1/package.json'), '..', '$2')" ||
    fail "The npm package $1, which the native addon is built with, is missing: install bidora's dependencies (npm install)."
}
addon_api="$(include_of node-addon-api .)"
api_headers="$(include_of node-api-headers include)"

made_here() { grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD/native" "$build/CMakeCache.txt" 2>/dev/null; }
newer() { find native scripts/build-native.sh scripts/addon.cjs "$addon_api/package.json" -newer "$addon" -type f -print -quit; }
if [ -f "$addon" ] && made_here && node scripts/addon.cjs check "$build"; then
  [ -n "$(newer)" ] || exit 0
elif ! made_here || [ -f "$build/stamp.json" ]; then
  find "$build" -mindepth 1 -not -name lock -delete  # CMake's cache is for another machine, folder or libtorch
fi
log="$build/build.log"
rm -f "$build/stamp.json"
if ! { cmake -S native -B "$build" -DLIBTORCH="$libtorch" -DNODE_ADDON_API="$addon_api" -DNODE_API_HEADERS="$api_headers" &&
  cmake --build "$build" --parallel "$(nproc)"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  fail "The native addon could not be built; the log is in $PWD/$log."
fi
touch "$addon"
[ -d src ] || find "$build" -name '*.gch' -delete  # 400 MB that only the next build of changed sources would need
node scripts/addon.cjs write "$build"
