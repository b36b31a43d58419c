#!/usr/bin/env bash
# Checks the native sources by clang-format, and by clang-tidy with the build's own compile commands; --fix formats them instead.
# "setup.sh --lint" installs both.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "lint-native: $*" >&2; exit 1; }

# One version for all: each formats a little differently.
format=clang-format-19
tidy=clang-tidy-19
build=build/native-system

for tool in "$format" "$tidy"; do
  command -v "$tool" >/dev/null || fail "$tool is missing: run npm run setup -- --lint."
done
mapfile -t sources < <(find native bench -name '*.cpp')
mapfile -t headers < <(find native -name '*.h')
if [ "${1:-}" = --fix ]; then
  "$format" -i "${sources[@]}" "${headers[@]}"
  exit
fi
"$format" --dry-run --Werror "${sources[@]}" "${headers[@]}" || fail "run npm run format."
[ -f "$build/compile_commands.json" ] || fail "the native addon is not built: run npm run setup."
# libtorch's headers would ask for OpenMP's, which are the compiler's own.
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" "$tidy" --quiet -p "$build" --extra-arg=-fno-openmp
