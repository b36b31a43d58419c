#!/usr/bin/env bash
# Sets up a clone: npm packages, TypeScript build, the `bidora` command, then the engine (`bidora setup`, which gets the options). Steps
# whose result is up to date are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

announce() { echo "==> $*" >&2; }
fail() { echo "setup: $*" >&2; exit 1; }

check_node() {
  command -v node >/dev/null || fail "Node 20.19 or newer is missing; install it (Debian: apt-get install nodejs npm)."
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node 20.19 or newer is needed; this is $(node --version)."
}

install_npm() {
  if node scripts/npm-is-current.js; then
    announce "npm packages: already installed"
    return
  fi
  announce "npm packages"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || fail "npm ci failed."
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

check_node
install_npm
build_typescript
link_command
exec node bin/bidora.js setup "$@"
