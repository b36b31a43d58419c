import { existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clean, leftovers } from "../../../src/app/setup/clean.js";
import { stamps } from "../../../src/torch/installations/builds.js";
import { freshPath } from "../../support/workFolder.js";

const before = process.env.BIDORA_HOME;
const home = freshPath("home");
beforeEach(() => {
  process.env.BIDORA_HOME = home;
});
afterEach(() => {
  if (before === undefined) delete process.env.BIDORA_HOME;
  else process.env.BIDORA_HOME = before;
});

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** An installation whose native sources are `text`. @returns their hash */
function installation(root: string, text: string): string {
  write(join(root, "native", "addon.cpp"), text);
  return stamps().sourcesHash(join(root, "native"));
}

/** A cached addon that an installation set up. @returns its folder */
function addon(sources: string, root: string): string {
  const folder = join(home, "addons", sources);
  write(join(folder, "system", "bidora.node"), "12345");
  write(join(folder, "installations", "some.json"), JSON.stringify({ installation: root, build: "system" }));
  return folder;
}

test("only addons of installations that are gone or upgraded, and old unfinished builds, are removed", () => {
  const [here, upgraded] = [freshPath("here"), freshPath("upgraded")];
  const kept = addon(installation(here, "one"), here);
  const ofGone = addon("0123456789ab", freshPath("gone"));
  const older = addon(installation(upgraded, "older"), upgraded);
  installation(upgraded, "newer");
  const running = join(home, "addons", ".building-running");
  const killed = join(home, "addons", ".building-killed");
  write(join(running, "x.o"), "1");
  write(join(killed, "x.o"), "1");
  utimesSync(killed, 0, 0);

  expect(
    leftovers()
      .map(({ path }) => path)
      .sort(),
  ).toEqual([ofGone, older, killed].sort());
  expect(leftovers().find(({ path }) => path === ofGone)?.bytes).toBeGreaterThan(5);
  clean();
  expect([ofGone, older, killed].some((path) => existsSync(path))).toBe(false);
  expect([kept, running].every((path) => existsSync(path))).toBe(true);
  expect(clean()).toEqual([]);
});

test("a record that can't be read counts as none", () => {
  const folder = join(home, "addons", "ffffffffffff");
  write(join(folder, "installations", "some.json"), "{");
  expect(leftovers().map(({ path }) => path)).toEqual([folder]);
});

/** A read refused to this user, as of another user's private folder: a name that is too long is refused even to root. */
const unreadable = `/${"x".repeat(300)}`;

test("an installation that this user can't look into keeps its addon", () => {
  const folder = join(home, "addons", "eeeeeeeeeeee");
  write(join(folder, "installations", "some.json"), JSON.stringify({ installation: unreadable, build: "system" }));
  expect(leftovers().map(({ path }) => path)).not.toContain(folder);
});

test("records of another form count as none", () => {
  const folder = join(home, "addons", "dddddddddddd");
  for (const [i, record] of [null, {}, [], 5, { installation: 5, build: "system" }].entries())
    write(join(folder, "installations", `${i}.json`), JSON.stringify(record));
  expect(leftovers().map(({ path }) => path)).toContain(folder);
});

test("a cache that is a file or has broken links is no failure", () => {
  mkdirSync(join(home, "addons"), { recursive: true });
  symlinkSync("/nowhere", join(home, "addons", "broken"));
  expect(() => leftovers()).not.toThrow();
  process.env.BIDORA_HOME = freshPath("file");
  write(process.env.BIDORA_HOME, "");
  expect(leftovers()).toEqual([]);
});
