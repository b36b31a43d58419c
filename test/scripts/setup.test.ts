import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/setup.sh", import.meta.url));

/** Runs the set-up with some system commands played by others. */
function setup(
  commands: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
  call: readonly [string, ...string[]] = ["bash", script],
  input = "",
) {
  const folder = mkdtempSync(join(tmpdir(), "bidora-setup-"));
  for (const [name, body] of Object.entries(commands)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const { CI: _ci, npm_config_yes: _yes, ...own } = process.env;
  const env = { ...own, LIBTORCH: "", ...environment, PATH: `${folder}:${process.env.PATH}` };
  const [program, ...words] = call;
  return spawnSync(program, words, { encoding: "utf8", env, input });
}

const bare = { "dpkg-query": "exit 1", id: "echo 1000", "apt-get": "echo called apt-get >&2; exit 1" };

test("without root it prints the command for the system packages and stops", () => {
  const { status, stderr } = setup({ ...bare, sudo: "exit 1" });
  expect(status).toBe(1);
  expect(stderr).toContain(
    "sudo apt-get update && sudo apt-get install -y --no-install-recommends libtorch-dev libopenblas0-openmp\n",
  );
  expect(stderr).not.toContain("called apt-get");
});

const willing = { ...bare, sudo: 'echo "sudo $*" >&2; case "$*" in *"apt-get install"*) exit 1;; esac' };
const onTerminal = ["script", "-qec", `bash ${script}`, "/dev/null"] as const;
const byHand = /system packages are missing\. Run this once.*\s+sudo apt-get update && sudo apt-get install/;

test("nothing is installed without consent, even if sudo needs no password", () => {
  const { status, stderr } = setup(willing);
  expect(status).toBe(1);
  expect(stderr).toMatch(byHand);
  expect(stderr).not.toMatch(/^sudo /m);
});

test.each([
  ["--yes", {}, ["bash", script, "--yes"]],
  ["npm's --yes", { npm_config_yes: "true" }, ["bash", script]],
  ["CI", { CI: "true" }, ["bash", script]],
] as const)("with %s it installs through sudo", (_, environment, call) => {
  const { status, stderr } = setup(willing, environment, [...call]);
  expect(stderr).toContain("==> Debian packages: libtorch-dev libopenblas0-openmp\n");
  expect(stderr).toMatch(/^sudo -n apt-get update/m);
  expect(stderr).toMatch(/^sudo -n env .* apt-get install .* libtorch-dev libopenblas0-openmp$/m);
  expect([status, stderr.trim().split("\n").at(-1)]).toEqual([
    1,
    "setup: apt-get could not install libtorch-dev libopenblas0-openmp.",
  ]);
});

test("root is not asked for consent", () => {
  const { stderr } = setup({ ...willing, id: "echo 0" });
  expect(stderr).toContain("called apt-get");
  expect(stderr).not.toMatch(/^sudo /m);
});

test.each([
  ["y", /sudo apt-get update/],
  ["n", byHand],
  ["", byHand],
])("at a terminal it lists the packages and asks for consent; answer %j", (answer, expected) => {
  const { stdout } = setup(willing, {}, onTerminal, `${answer}\n`);
  expect(stdout).toContain("Install these Debian packages with sudo: libtorch-dev libopenblas0-openmp? [y/N]");
  expect(stdout).toMatch(expected);
  if (answer !== "y") expect(stdout).not.toMatch(/^sudo apt-get/m);
});

test("an unknown option is refused", () => {
  const { status, stderr } = setup(willing, {}, ["bash", script, "--yse"]);
  expect([status, stderr]).toEqual([1, "setup: unknown option --yse; expected --yes or --lint.\n"]);
});

test("with LIBTORCH set, no libtorch is installed", () => {
  const { stderr } = setup({ ...bare, sudo: "exit 1", npm: "exit 1", node: "exit 0" }, { LIBTORCH: "/nowhere" });
  expect(stderr).toContain("==> Debian packages: already installed\n");
});

test("a Node version that is too old is refused", () => {
  const { status, stderr } = setup({ node: '[ "$1" = --version ] && echo v18.0.0; exit 1' });
  expect([status, stderr]).toEqual([1, "setup: Node 20.19 or newer is needed; this is v18.0.0.\n"]);
});
