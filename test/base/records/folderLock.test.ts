import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import {
  holdFolder,
  isAlive,
  isLock,
  mayBeAlive,
  thisProcess,
  writerOf,
} from "../../../src/base/records/folderLock.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";

const folder = temporaryFolders();
const nothing = async (): Promise<void> => {};

describe("holdFolder", () => {
  it("refuses a second writer in one sentence, and allows the next one after the first", async () => {
    const where = folder();
    await holdFolder(where, async () => {
      expect(readdirSync(where).filter(isLock)).toHaveLength(1);
      await expect(holdFolder(where, nothing)).rejects.toThrow(
        `${where} is being written by another call of this process (${process.pid}): wait until it ends, or name another --output.`,
      );
    });
    await expect(holdFolder(where, () => Promise.reject(new Error("stop")))).rejects.toThrow("stop");
    await holdFolder(where, nothing);
    expect(readdirSync(where)).toEqual([]);
  });

  it("removes empty folders that it created, and no others", async () => {
    const where = folder();
    const [deep, there] = [join(where, "deep", "er"), join(where, "there")];
    await holdFolder(deep, nothing);
    expect(readdirSync(where)).toEqual([]);
    mkdirSync(there);
    await holdFolder(there, nothing);
    await holdFolder(deep, async () => writeFileSync(join(deep, "result"), ""));
    expect(readdirSync(where)).toEqual(["deep", "there"]);
    expect(readdirSync(deep)).toEqual(["result"]);
  });

  it("never allows two writers, however many start at once", async () => {
    const where = join(folder(), "run");
    let inside = 0;
    let most = 0;
    const enter = () =>
      holdFolder(where, async () => {
        most = Math.max(most, ++inside);
        await sleep(30);
        inside -= 1;
      });
    const ends = await Promise.allSettled(Array.from({ length: 12 }, enter));
    expect(most).toBe(1);
    for (const end of ends) if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "LOCKED" });
    await holdFolder(where, nothing);
    expect(existsSync(where)).toBe(false);
  });
});

describe("a folder locked by another process", () => {
  /** A folder with the lock of a process that runs, on this machine or as if on another. */
  async function heldByOther(host?: string) {
    const where = folder();
    const held = spawn("sleep", ["60"]);
    const stat = readFileSync(`/proc/${held.pid}/stat`, "utf8");
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string;
    const own = thisProcess();
    const name = [held.pid, start, own.boot, "0123456789ab", encodeURIComponent(host ?? own.host)].join(".");
    writeFileSync(join(where, `.bidora-lock.${name}`), "");
    return { where, held };
  }

  it("with waiting, the lock is taken when the other process ends", async () => {
    const { where, held } = await heldByOther();
    expect(writerOf(where)?.pid).toBe(held.pid);
    let isIn = false;
    const enter = async () => {
      isIn = true;
    };
    const entered = holdFolder(where, enter, { waits: true });
    // Longer than the attempts of one that does not wait.
    await sleep(1000);
    expect(isIn).toBe(false);
    held.kill("SIGKILL");
    await entered;
    expect(isIn).toBe(true);
    expect(writerOf(where)).toBeUndefined();
  });

  it("waiting ends at Ctrl-C, and a process on another machine is never waited for", async () => {
    const { where, held } = await heldByOther();
    const ending = new AbortController();
    const waiting = holdFolder(where, nothing, { waits: true, signal: ending.signal });
    setTimeout(() => ending.abort(), 600);
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    held.kill("SIGKILL");
    const elsewhere = await heldByOther("elsewhere");
    await expect(holdFolder(elsewhere.where, nothing, { waits: true })).rejects.toMatchObject({ code: "LOCKED" });
    elsewhere.held.kill("SIGKILL");
  });
});

describe("the owner of a lock", () => {
  const { pid, start, boot, host } = thisProcess();
  const other = (part: string) => (part === "-" ? "-" : part.replace(/.$/, (end) => (end === "1" ? "2" : "1")));

  async function left(change: Partial<{ pid: number; start: string; boot: string; host: string }>) {
    const where = folder();
    const name = { pid, start, boot, host, ...change };
    const parts = [name.pid, name.start, name.boot, "0123456789ab", encodeURIComponent(name.host)];
    writeFileSync(join(where, `.bidora-lock.${parts.join(".")}`), "");
    const error = await holdFolder(where, nothing).catch((caught: unknown) => caught as Error);
    return { message: error?.message, files: readdirSync(where) };
  }

  it("a lock holds while its process runs", async () => {
    expect((await left({})).message).toMatch(/is being written by another call of this process/);
    const child = spawn("sleep", ["60"]);
    const stat = (await import("node:fs")).readFileSync(`/proc/${child.pid}/stat`, "utf8");
    const alive = { pid: child.pid as number, start: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string };
    expect((await left(alive)).message).toMatch(new RegExp(`is being written by process ${child.pid}: wait`));
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await left(alive)).toEqual({ message: undefined, files: [] });
  });

  it("a lock does not hold if its process number was reused or the machine restarted", async () => {
    expect(await left({ start: other(start) })).toEqual({ message: undefined, files: [] });
    expect(await left({ boot: other(boot) })).toEqual({ message: undefined, files: [] });
  });

  it("a lock of another machine holds, because its process can't be checked", async () => {
    const { message, files } = await left({ host: "far.example" });
    expect(message).toMatch(
      /written by process \d+ on the machine far\.example: .*if it is gone, remove .*bidora-lock/,
    );
    expect(files).toHaveLength(1);
    expect(mayBeAlive({ pid, start, boot, host: hostname() })).toBe(true);
  });
});

it.skipIf(process.platform !== "linux")(
  "a process that has ended is gone, also while its parent does not collect its status",
  async () => {
    const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "inherit"] });
    const [text] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(text);
    await vi.waitUntil(() => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "));
    expect(isAlive(pid)).toBe(false);
    expect(isAlive(parent.pid as number)).toBe(true);
    parent.kill("SIGKILL");
    await once(parent, "close");
  },
);
