// Which engine an installed package uses, and what it says if there is none that it can use.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { PLATFORM_PACKAGE, packageVersion } from "../../src/base/installation.js";
import { isLock } from "../../src/base/records/folderLock.js";
import { packedProject } from "./packedProject.js";

const { folder: project, installed, env, bidora } = packedProject();
const platform = join(project, "node_modules", PLATFORM_PACKAGE);
const lock = join(project, "package-lock.json");
afterAll(() => rmSync(project, { recursive: true }));
afterEach(() => {
  for (const path of [platform, lock]) rmSync(path, { recursive: true, force: true });
});

/** The one sentence that a command without an engine ends with. */
function sentence(): string {
  const { status, stderr } = bidora("doctor");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^bidora: .*\n$/);
  return stderr.slice("bidora: ".length, -1);
}

/** A platform package whose only library is a few bytes. */
function installPlatform(changes: object = {}): void {
  mkdirSync(platform, { recursive: true });
  writeFileSync(join(platform, "package.json"), JSON.stringify({ name: PLATFORM_PACKAGE }));
  writeFileSync(join(platform, "libtorch_cpu.so"), "12345");
  const engine = { version: packageVersion(), libtorch: "2.13.0", nodeApi: 9, glibc: "2.17", sources: "0" };
  writeFileSync(
    join(platform, "engine.json"),
    JSON.stringify({ ...engine, files: { "libtorch_cpu.so": 5 }, ...changes }),
  );
}

describe("without an engine, one sentence says why and what to do:", () => {
  const missing = `${PLATFORM_PACKAGE}, which holds libtorch, is not installed`;

  test("optional dependencies were left out", () => {
    const expected = `${missing}, since optional dependencies were left out: run \`npm install --include=optional\`, or build the engine on this machine with \`npx --no -- bidora setup\`.`;
    expect(sentence()).toBe(expected);
    writeFileSync(lock, `{ "node_modules/${PLATFORM_PACKAGE}": {} }`);
    expect(sentence()).toBe(expected);
  });

  test("the lock file was made on another system", () => {
    writeFileSync(lock, "{}");
    expect(sentence()).toBe(
      `${missing}: package-lock.json was made on another system and lacks it; remove package-lock.json and node_modules, then run \`npm install\`.`,
    );
  });

  test("node_modules was installed on another system", () => {
    const other = join(project, "node_modules", "@bidora", "darwin-arm64");
    mkdirSync(other, { recursive: true });
    try {
      expect(sentence()).toBe(
        `${missing}: node_modules was installed on another system (it has @bidora/darwin-arm64); remove it, then run \`npm install\` here.`,
      );
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  test("the platform package is of another version", () => {
    installPlatform({ version: "0.0.9" });
    expect(sentence()).toBe(
      `${PLATFORM_PACKAGE} 0.0.9 is installed, but bidora ${packageVersion()} needs the same version of it: run \`npm install bidora@${packageVersion()}\`.`,
    );
  });

  test("a library of the platform package is incomplete, or has no record", () => {
    installPlatform({ files: { "libtorch_cpu.so": 6 } });
    expect(sentence()).toMatch(
      /^libtorch_cpu\.so in \S+ is incomplete \(expected 6 bytes, got 5\): remove that folder, then run `npm install`\.$/,
    );
    rmSync(join(platform, "engine.json"));
    expect(sentence()).toMatch(/ has no engine\.json: remove that folder, then run `npm install`\.$/);
    for (const damaged of ["null", "{}", "[]", "5", "{", '{"version":"0.1.0","files":null}']) {
      writeFileSync(join(platform, "engine.json"), damaged);
      expect(sentence()).toMatch(/ has a damaged engine\.json: remove that folder, then run `npm install`\.$/);
    }
    installPlatform({ files: { "libtorch_cpu.so": "5" } });
    expect(sentence()).toMatch(/ has a damaged engine\.json/);
  });

  test("Node or the C library is too old for it", () => {
    installPlatform({ nodeApi: 99 });
    expect(sentence()).toMatch(/needs Node-API 99, and Node \S+ has \d+: install a newer Node\.$/);
    installPlatform({ glibc: "2.999" });
    expect(sentence()).toMatch(
      /^libtorch 2\.13\.0 needs the GNU C library 2\.999 or newer \(.*\), and this system has 2\.\d+: use a newer/,
    );
  });

  test("the C library's version is found without looking up the names of connected hosts", () => {
    installPlatform({ glibc: "2.999" });
    const preload = join(project, "preload.cjs");
    writeFileSync(
      preload,
      `const { report } = process; const { getReport } = report;
report.getReport = () => { if (!report.excludeNetwork) throw new Error("looks up names"); return getReport.call(report); };`,
    );
    env.NODE_OPTIONS = `--require=${preload}`;
    try {
      expect(sentence()).toMatch(/needs the GNU C library 2\.999/);
    } finally {
      delete env.NODE_OPTIONS;
    }
  });

  test("the user has no home folder", () => {
    const before = { ...env };
    Object.assign(env, { BIDORA_HOME: "", XDG_CACHE_HOME: "", HOME: "" });
    try {
      expect(sentence()).toBe(
        "This user has no home folder to cache files in: set BIDORA_HOME or XDG_CACHE_HOME to one.",
      );
    } finally {
      for (const name of ["BIDORA_HOME", "XDG_CACHE_HOME", "HOME"]) delete env[name];
      Object.assign(env, before);
    }
  });

  test("it is inside Electron's archive", () => {
    installPlatform();
    const archive = join(project, "app.asar", "node_modules");
    try {
      for (const name of ["@bidora", "bidora"]) {
        cpSync(join(project, "node_modules", name), join(archive, name), { recursive: true });
      }
      const program = join(archive, "bidora", "bin", "bidora.js");
      const { status, stderr } = spawnSync(process.execPath, [program, "doctor"], { env, encoding: "utf8" });
      expect([status, stderr]).toEqual([
        1,
        `bidora: ${PLATFORM_PACKAGE} ${packageVersion()} is inside app.asar, where the system can't load libraries from: add "node_modules/@bidora/**" to asarUnpack in the settings of Electron's packager.\n`,
      ]);
    } finally {
      rmSync(join(project, "app.asar"), { recursive: true });
    }
  });
});

describe("the set-up of an installed package", () => {
  const addons = join(project, "home", "addons");
  const setUp = () => bidora("setup");
  /** Starts one in a process group of its own, as a terminal's Ctrl-C reaches the compiler too. */
  const startSetUp = () =>
    spawn(process.execPath, [join(installed, "bin", "bidora.js"), "setup"], {
      cwd: project,
      env,
      detached: true,
      stdio: "ignore",
    });
  const statusOf = (child: ChildProcess): Promise<number | null> => once(child, "close").then(([status]) => status);
  const doctor = () => JSON.parse(bidora("doctor", "--json").stdout);

  test("leaves nothing if the compiler fails", () => {
    writeFileSync(join(project, "compiler-fails"), "");
    const { status, stderr } = setUp();
    rmSync(join(project, "compiler-fails"));
    expect([status, stderr.split("\n").at(-2)]).toEqual([
      1,
      "bidora: The native addon could not be built; the compiler's messages are above.",
    ]);
    expect(stderr).toContain("error: no such instruction");
    expect(readdirSync(addons)).toEqual([]);
  });

  test("builds in the user's cache, with the dependencies that npm installed next to it", () => {
    const { status, stderr } = setUp();
    expect(stderr).toMatch(/==> Native addon.*\n==> Ready: libtorch \d.*\n$/);
    expect(status).toBe(0);
    expect(existsSync(join(installed, "build"))).toBe(false);
    const { engines, problems } = doctor();
    expect(problems).toEqual([]);
    expect(engines).toMatchObject([
      { source: "platform package", inUse: false },
      { source: "setup", inUse: true },
    ]);
  });

  test("two at once build once", async () => {
    rmSync(addons, { recursive: true });
    rmSync(join(project, "builds"));
    const statuses = await Promise.all([statusOf(startSetUp()), statusOf(startSetUp())]);
    expect(statuses).toEqual([0, 0]);
    expect(readFileSync(join(project, "builds"), "utf8")).toBe("built\n");
  });

  test.each([
    ["SIGINT", 130, 0],
    ["SIGKILL", null, 1],
  ] as const)("that ended by %s leaves no addon, and the next one succeeds", async (signal, status, unfinished) => {
    rmSync(addons, { recursive: true });
    rmSync(join(project, "builds"));
    const first = startSetUp();
    await vi.waitFor(() => expect(existsSync(join(project, "builds"))).toBe(true), 20_000);
    process.kill(-first.pid!, signal);
    expect(await statusOf(first)).toBe(status);
    const left = readdirSync(addons).filter((name) => !isLock(name));
    expect(left.map((name) => name.slice(0, 10))).toEqual(Array(unfinished).fill(".building-"));
    expect(setUp().status).toBe(0);
    expect(readdirSync(addons).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("builds for a relative LIBTORCH in a relative cache, and finds that through a link to LIBTORCH", () => {
    const torch = join(project, "torch");
    mkdirSync(join(torch, "include", "torch", "csrc", "api"), { recursive: true });
    mkdirSync(join(torch, "lib"));
    symlinkSync(torch, join(project, "linked"));
    const run = (LIBTORCH: string, ...words: string[]) =>
      spawnSync(process.execPath, [join(installed, "bin", "bidora.js"), ...words], {
        cwd: join(project, "torch"),
        env: { ...env, LIBTORCH, BIDORA_HOME: "../relative" },
        encoding: "utf8",
      });
    expect(run(".", "setup")).toMatchObject({ status: 0 });
    expect(readdirSync(join(project, "relative"))).toEqual(["addons"]);
    expect(JSON.parse(run("../linked/", "doctor", "--json").stdout).engines).toMatchObject([{ inUse: true }]);
    const { status, stderr } = run("lib", "setup");
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^bidora: LIBTORCH is lib, which has no libtorch/)]);
  });

  test("does nothing if there is an engine", () => {
    const { status, stderr } = setUp();
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^==> Ready: .*\n$/)]);
  });

  test("builds again if libtorch was replaced, which doctor reports", () => {
    const stamp = join(doctor().engines[1].folder, "stamp.json");
    const written = readFileSync(stamp, "utf8");
    writeFileSync(stamp, written.replace(/"bytes": \d+/, '"bytes": 1'));
    expect(sentence()).toMatch(/libtorch_cpu\S* was replaced\); run `npx --no -- bidora setup`\.$/);
    expect(setUp().status).toBe(0);
    expect(readFileSync(stamp, "utf8")).toBe(written);
  });

  test("keeps what is in use when it cleans, and removes it once the installation is gone", () => {
    expect(doctor().unused).toEqual([]);
    expect(bidora("setup", "--clean").stdout).toBe("Nothing to remove.\n");
    const [sources] = readdirSync(addons);
    const [record] = readdirSync(join(addons, sources!, "installations"));
    const path = join(addons, sources!, "installations", record!);
    writeFileSync(path, readFileSync(path, "utf8").replace(basename(installed), "gone"));
    expect(JSON.parse(bidora("doctor", "--json").stdout).unused).toEqual([
      { path: join(addons, sources!), bytes: expect.any(Number) },
    ]);
    expect(bidora("doctor").stdout).toMatch(/\ncache +\d+ MiB that no installation uses/);
    expect(bidora("setup", "--clean").stdout).toContain(join(addons, sources!));
    expect(readdirSync(addons)).toEqual([]);
  });

  test.each([
    ["--develop", /only in a clone/],
    ["--yes", /only without --clean/],
  ])("refuses what has no effect: %s", (flag, message) => {
    const { status, stderr } = bidora("setup", "--clean", flag);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
