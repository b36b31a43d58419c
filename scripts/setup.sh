#!/usr/bin/env bash
# Sets up a clone: Debian packages, npm packages, native addon, TypeScript build, the `bidora` command. An installed package has
# its npm packages and TypeScript build already. Steps whose result is up to date are skipped.
# LIBTORCH can be a folder with a libtorch other than Debian's. --yes installs system packages without asking; --lint adds those
# that scripts/lint-native.js and the tests of examples/cluster need.
set -euo pipefail
cd "$(dirname "$0")/.."

announce() { echo "==> $*" >&2; }
fail() { echo "setup: $*" >&2; exit 1; }

check_node() {
  command -v node >/dev/null || fail "Node 20.19 or newer is missing; install it (Debian: apt-get install nodejs npm)."
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node 20.19 or newer is needed; this is $(node --version)."
}

missing_packages() {
  local tool
  for tool in g++ cmake make "${lint_tools[@]}"; do
    command -v "$tool" >/dev/null || echo "$tool"
  done
  [ -n "${LIBTORCH:-}" ] && return
  # libtorch-dev alone installs the reference BLAS, which is a hundred times slower than OpenBLAS.
  for package in libtorch-dev libopenblas0-openmp; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# Whether system packages may be installed: always as root, in CI and with --yes; otherwise the user is asked at the terminal.
may_install() {
  local answer
  # npm passes "npm start --yes" in a variable.
  if [ "$yes" = true ] || [ "${npm_config_yes:-}" = true ] || [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]; then return 0; fi
  [ -t 0 ] && [ -t 2 ] || return 1
  read -r -p "Install these Debian packages with sudo: $1? [y/N] " answer
  [[ "$answer" =~ ^[Yy] ]]
}

install_packages() {
  local packages run=()
  packages="$(missing_packages | tr '\n' ' ')"
  packages="${packages% }"
  if [ -z "$packages" ]; then
    announce "Debian packages: already installed"
    return
  fi
  command -v apt-get >/dev/null ||
    fail "missing: $packages. This system has no apt-get: install them with its package manager, and set LIBTORCH to a folder with libtorch."
  local by_hand="system packages are missing. Run this once, then repeat your command:
  sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "$by_hand"
    run=(sudo)
    [ -t 0 ] || run=(sudo -n)  # nobody can enter a password
  fi
  may_install "$packages" || fail "$by_hand"
  announce "Debian packages: $packages"
  "${run[@]}" apt-get update -q >&2 || fail "apt-get update failed. $by_hand"
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >&2 ||
    fail "apt-get could not install $packages."
}

install_npm() {
  if node scripts/npm-is-current.js; then
    announce "npm packages: already installed"
    return
  fi
  announce "npm packages"
  npm ci --no-audit --no-fund --loglevel=error >&2 || fail "npm ci failed."
}

build_native() {
  announce "Native addon (built if it is not up to date)"
  bash scripts/build-native.sh >&2 || fail "the native addon did not build."
}

build_typescript() {
  local stamp=dist/.built
  if [ -f "$stamp" ] && [ -z "$(find src packages/*/{src,tsconfig.json} tsconfig.json tsconfig.build.json rolldown.config.js package-lock.json -newer "$stamp" -print -quit)" ]; then
    announce "TypeScript build: up to date"
    return
  fi
  announce "TypeScript build"
  rm -rf dist packages/*/dist
  npm run --silent build >&2 || fail "the TypeScript build failed."
  touch "$stamp"
}

link_command() {
  local link=node_modules/.bin/bidora
  [ "$(readlink "$link" 2>/dev/null)" = ../../bin/bidora.js ] || ln -sfn ../../bin/bidora.js "$link"
}

yes=false
lint_tools=()
for word in "$@"; do
  case "$word" in
    --yes) yes=true ;;
    --lint) lint_tools=(clang-format-19 clang-tidy-19 parallel) ;;
    *) fail "unknown option $word; expected --yes or --lint." ;;
  esac
done

check_node
install_packages
[ ! -d src ] || install_npm
build_native
if [ -d src ]; then
  build_typescript
  link_command
fi
announce "Ready"
