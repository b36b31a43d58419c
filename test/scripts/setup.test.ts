import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/setup.sh", import.meta.url));

/** Runs the set-up with some system commands played by others. */
function setup(commands: Readonly<Record<string, string>>, environment: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "bidora-setup-"));
  for (const [name, body] of Object.entries(commands)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const env = { ...process.env, LIBTORCH: "", ...environment, PATH: `${folder}:${process.env.PATH}` };
  return spawnSync("bash", [script], { encoding: "utf8", env });
}

const bare = { "dpkg-query": "exit 1", id: "echo 1000", "apt-get": "echo called apt-get >&2; exit 1" };

test("without root it prints the command to run and stops", () => {
  const { status, stderr } = setup({ ...bare, sudo: "exit 1" });
  expect(status).toBe(1);
  expect(stderr).toContain(
    "sudo apt-get update && sudo apt-get install -y --no-install-recommends libtorch-dev libopenblas0-openmp\n",
  );
  expect(stderr).not.toContain("called apt-get");
});

test("with a sudo that asks for no password it installs through it", () => {
  const { status, stderr } = setup({ ...bare, sudo: 'echo "sudo $*" >&2; [ "$5" != install ]' });
  expect(stderr).toContain("==> Debian packages: libtorch-dev libopenblas0-openmp\n");
  expect(stderr).toMatch(/^sudo -n apt-get update/m);
  expect(stderr).toMatch(/^sudo -n env .* apt-get install .* libtorch-dev libopenblas0-openmp$/m);
  expect([status, stderr.trim().split("\n").at(-1)]).toEqual([
    1,
    "setup: apt-get could not install libtorch-dev libopenblas0-openmp.",
  ]);
});

test("with LIBTORCH no libtorch is installed", () => {
  const { stderr } = setup({ ...bare, sudo: "exit 1", npm: "exit 1", node: "exit 0" }, { LIBTORCH: "/nowhere" });
  expect(stderr).toContain("==> Debian packages: there\n");
});

test("an old Node is refused", () => {
  const { status, stderr } = setup({ node: '[ "$1" = --version ] && echo v18.0.0; exit 1' });
  expect([status, stderr]).toEqual([1, "setup: Node 20.19 or newer is needed; this is v18.0.0.\n"]);
});
