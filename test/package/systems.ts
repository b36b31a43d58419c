// The systems that a fresh user has: root folders of distributions, bootstrapped into the user's cache.
import { chmodSync, existsSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, temporaryFolder, temporaryIn } from "./places.js";
import { hasProgram, run } from "./processes.js";
import { Skipped } from "./summary.js";

export interface System {
  readonly name: string;
  readonly title: string;
  /** A distribution of Debian's, whose mirror is the one that apt is configured with; otherwise debootstrap knows it. */
  readonly isDebian: boolean;
  /** The parts that are not already proven on another system; all by default. */
  readonly parts?: readonly string[];
  /** Why bidora does not run there, in the sentence that it says. */
  readonly refusal?: RegExp;
}

export const SYSTEMS: readonly System[] = [
  { name: "trixie", title: "Debian 13", isDebian: true },
  { name: "noble", title: "Ubuntu 24.04", isDebian: false, parts: ["npm"] },
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
  const source = system.isDebian ? ["--force-check-gpg"] : ["--force-check-gpg", "--keyring", await ubuntuKeyring()];
  const mirror = system.isDebian ? await debianMirror() : [];
  const begun = temporaryIn(cacheFolder("roots"), system.name);
  // It mounts in the root folder, where its namespace ends with it.
  const alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"];
  const bootstrap = ["debootstrap", "--variant=minbase", ...source, system.name, begun, ...mirror];
  const { status, stdout, stderr } = await run([...alone, ...bootstrap]);
  if (status !== 0) throw new Skipped(`debootstrap: ${`${stdout}${stderr}`.trim().split("\n").at(-1)}`);
  await run(["rm", "-rf", join(begun, "var/cache/apt/archives"), join(begun, "var/lib/apt/lists")]);
  chmodSync(begun, 0o755);
  renameSync(begun, root);
  return root;
}

/** Ubuntu's keys: installed, or from Debian's package of them, which apt verifies. */
async function ubuntuKeyring(): Promise<string> {
  const path = "usr/share/keyrings/ubuntu-archive-keyring.gpg";
  if (existsSync(join("/", path))) return join("/", path);
  const folder = temporaryFolder("keys");
  await run(["apt-get", "download", "ubuntu-keyring"], { cwd: folder });
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Skipped("there is no ubuntu-keyring to verify its archive with");
  await run(["dpkg-deb", "--extract", join(folder, file), folder]);
  return join(folder, path);
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
