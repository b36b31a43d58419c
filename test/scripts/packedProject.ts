// The packed package in a project of its own, where npm has put what it depends on beside it; the platform package is left out.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { engineFacts } from "../../src/torch/index.js";
import { addonPath } from "../../src/torch/installations/inUse.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** A project with bidora installed. */
export interface PackedProject {
  readonly folder: string;
  /** bidora's folder in the project. */
  readonly installed: string;
  readonly tarball: string;
  /** The environment that the command runs in: a cache of its own, and tools that play the compiler. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs its command. */
  bidora(...words: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string };
}

export function packedProject(): PackedProject {
  const folder = mkdtempSync(join(tmpdir(), "bidora-project-"));
  const installed = join(folder, "node_modules", "bidora");
  mkdirSync(installed, { recursive: true });
  const tarball = pack(folder);
  execFileSync("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  linkDependencies(folder);
  const tools = fakeTools(folder);
  const env = {
    ...process.env,
    PATH: `${tools}:${process.env.PATH}`,
    BIDORA_HOME: join(folder, "home"),
    // A copy of a platform package's addon finds libtorch there.
    LD_LIBRARY_PATH: dirname(engineFacts().library),
  };
  const bidora = (...words: string[]) =>
    spawnSync(process.execPath, [join(installed, "bin", "bidora.js"), ...words], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
  return { folder, installed, tarball, env, bidora };
}

function pack(folder: string): string {
  const packed = execFileSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  return join(folder, filename);
}

/** The packages that npm installs beside bidora: those of the lock file that are not for development. */
function linkDependencies(project: string): void {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; link?: boolean }>;
  };
  for (const [path, { dev, devOptional, link }] of Object.entries(packages)) {
    if (dev || devOptional || link || !/^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) || !existsSync(join(root, path)))
      continue;
    mkdirSync(dirname(join(project, path)), { recursive: true });
    symlinkSync(join(root, path), join(project, path));
  }
}

/**
 * Plays CMake: checks what it is called with, and takes the addon in use for the one that it would build. Debian's packages and the
 * other tools count as installed.
 */
function fakeTools(project: string): string {
  const tools = join(project, "tools");
  mkdirSync(tools);
  const [addon, { library }] = [dirname(addonPath()), engineFacts()];
  const c10 = library.replace("torch_cpu", "c10");
  const scripts = {
    cmake: `for word in "$@"; do
  case "$word" in
    -DNODE_ADDON_API=*) [ -f "\${word#*=}/napi.h" ] || { echo "napi.h: No such file"; exit 1; } ;;
    -DNODE_API_HEADERS=*) [ -f "\${word#*=}/node_api.h" ] || { echo "node_api.h: No such file"; exit 1; } ;;
  esac
done
if [ "$1" = --build ]; then
  echo built >> ${project}/builds; sleep 0.5
  [ ! -e ${project}/compiler-fails ] || { echo "error: no such instruction"; exit 1; }
  cp ${addon}/{bidora.node,prelude.node} "$2"
  printf '%s\n' NODE_API:STRING=9 torch_cpu:FILEPATH=${library} c10:FILEPATH=${c10} > "$2/CMakeCache.txt"
fi`,
    "dpkg-query": "printf installed",
    "g++": "exit 1",
    make: "exit 1",
  };
  for (const [name, body] of Object.entries(scripts)) {
    writeFileSync(join(tools, name), `#!/bin/bash\n${body}\n`);
    chmodSync(join(tools, name), 0o755);
  }
  return tools;
}
