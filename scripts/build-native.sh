#!/usr/bin/env bash
# Builds the native addon for one libtorch: the one in the folder LIBTORCH, or else the system's. Skipped if it is up to date.
# Usage: build-native.sh [BUILD_FOLDER]   (in a clone, build/native-NAME by default)
# With BIDORA_SANITIZER the addon is compiled with that sanitizer, and loaded with SANITIZER_PRELOAD (scripts/test-sanitized.js).
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }

libtorch="${LIBTORCH:-}"
if [ -n "$libtorch" ]; then
  libtorch="$(cd -- "$libtorch" >/dev/null 2>&1 && pwd -P)" || fail "LIBTORCH is $LIBTORCH, which is not a folder."
  export LIBTORCH="$libtorch"
fi
cd "$(dirname "$0")/.."
build="${1:-build/native-$(node scripts/addon.cjs name)}"
addon="$build/bidora.node"
mkdir -p "$build"
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
# Sources can also be removed, or replaced by older files.
newer() { node scripts/addon.cjs fresh "$build" || echo sources; find native scripts/build-native.sh scripts/addon.cjs "$addon_api/package.json" -newer "$addon" -type f -print -quit; }
if [ -f "$addon" ] && made_here && node scripts/addon.cjs check "$build"; then
  [ -n "$(newer)" ] || exit 0
elif ! made_here || [ -f "$build/stamp.json" ]; then
  find "$build" -mindepth 1 -not -name lock -delete  # CMake's cache is for another machine, folder or libtorch
fi
log="$build/build.log"
rm -f "$build/stamp.json"
if ! { cmake -S native -B "$build" -DLIBTORCH="$libtorch" -DSANITIZER="${BIDORA_SANITIZER:-}" -DNODE_ADDON_API="$addon_api" -DNODE_API_HEADERS="$api_headers" &&
  cmake --build "$build" --parallel "$(nproc)"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  fail "The native addon could not be built; the log ends above."
fi
touch "$addon"
LD_PRELOAD="${SANITIZER_PRELOAD:-}" node scripts/addon.cjs write "$build"
