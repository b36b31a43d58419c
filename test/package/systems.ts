// The systems that a fresh user has: root folders of distributions, bootstrapped into the user's cache.
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./places.js";
import { hasProgram, run } from "./processes.js";
import { Skipped } from "./summary.js";

export interface System {
  readonly name: string;
  readonly title: string;
  /** A distribution of Debian's, whose mirror is the one that apt is configured with; otherwise debootstrap knows it. */
  readonly isDebian: boolean;
  /** Why bidora does not run there, in the sentence that it says. */
  readonly refusal?: RegExp;
}

export const SYSTEMS: readonly System[] = [
  { name: "trixie", title: "Debian 13", isDebian: true },
  { name: "noble", title: "Ubuntu 24.04", isDebian: false },
  {
    name: "bookworm",
    title: "Debian 12",
    isDebian: true,
    refusal: /needs the GNU C library .*, and this system has 2\.36: /,
  },
];

/** This machine without libtorch and compilers: where no distribution can be had. */
export const HOST: System = { name: "host", title: "this machine, with libtorch and compilers hidden", isDebian: true };

/** The root folder of a system. @throws Skipped if it can't be had here */
export async function rootOf(system: System): Promise<string> {
  if (system === HOST) return "/";
  const root = join(cacheFolder("roots"), system.name);
  if (existsSync(root)) return root;
  if (!hasProgram("debootstrap")) throw new Skipped("debootstrap is not installed");
  if (process.getuid?.() !== 0) throw new Skipped("debootstrap needs root");
  const mirror = system.isDebian ? await debianMirror() : [];
  const begun = `${root}.${process.pid}`;
  const { status, stdout } = await run(["debootstrap", "--variant=minbase", system.name, begun, ...mirror]);
  if (status !== 0) {
    await run(["rm", "-rf", "--one-file-system", begun]);
    throw new Skipped(`debootstrap: ${stdout.trim().split("\n").at(-1)}`);
  }
  await run(["rm", "-rf", join(begun, "var/cache/apt/archives"), join(begun, "var/lib/apt/lists")]);
  renameSync(begun, root);
  return root;
}

/** The mirror that this machine's apt takes Debian from. */
async function debianMirror(): Promise<string[]> {
  const format = ["--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"];
  const { stdout } = await run(["apt-get", "indextargets", ...format]);
  const main = stdout
    .split("\n")
    .map((line) => line.split(" "))
    .find(([address, release]) => /^https?:/.test(address!) && /^[a-z]+$/.test(release ?? ""));
  if (!main) throw new Skipped("apt is configured with no mirror of Debian");
  return [main[0]!];
}
