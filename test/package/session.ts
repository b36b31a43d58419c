// A fresh user on a system: commands run without root in the system's root folder, which stays as it is; what is written goes beside it.
import { chownSync, cpSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SOURCES, temporaryFolder } from "./places.js";
import { type Ended, run, succeed, succeeded } from "./processes.js";
import { Skipped } from "./summary.js";
import { PROGRAMS } from "./tools.js";

const USER = 1000;

export interface RunOptions {
  /** Environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Without a network. */
  readonly isOffline?: boolean;
}

export class Session {
  /** What was written, as a root folder. */
  readonly upper: string;
  readonly #state: string;

  /** @param root of the system @param tools folder of the tools, at `/opt/tools` for the user */
  constructor(
    readonly root: string,
    readonly tools: string,
    readonly registry: string,
  ) {
    this.#state = temporaryFolder("user");
    this.upper = join(this.#state, "upper");
    for (const name of ["upper/usr/local/bin", "upper/opt/tools", "upper/home", "work", "root"])
      mkdirSync(join(this.#state, name), { recursive: true });
    for (const [name, path] of Object.entries(PROGRAMS))
      symlinkSync(join("/opt/tools/node_modules", path), join(this.upper, "usr/local/bin", name));
  }

  /** Makes paths of the system's invisible, in the way of overlayfs. */
  async hide(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      mkdirSync(join(this.upper, dirname(path)), { recursive: true });
      await succeed(["mknod", join(this.upper, path), "c", "0", "0"]);
    }
  }

  /** A user with an empty home folder, which has the name, and an empty project in it. */
  user(name: string): User {
    return new User(this, name);
  }

  /** @throws Skipped where namespaces aren't allowed */
  async checkNamespaces(): Promise<void> {
    const { status, stderr } = await this.run(["/bin/true"]);
    if (status !== 0) throw new Skipped(`no namespaces here (${stderr.trim().split("\n").at(-1)})`);
  }

  /** @param command a program and its arguments @param options `user`: its number */
  run(command: readonly string[], { isOffline = false, user = USER } = {}): Promise<Ended> {
    const namespaces = ["--mount", "--pid", "--fork", "--kill-child", ...(isOffline ? ["--net"] : [])];
    const enter = ["bash", join(SOURCES, "enter.sh"), String(user), this.root, this.#state, this.tools];
    return run(["unshare", ...namespaces, ...enter, ...command]);
  }
}

export class User {
  readonly home: string;
  readonly project: string;

  constructor(
    readonly session: Session,
    name: string,
  ) {
    this.home = `/home/${name}`;
    this.project = `${this.home}/project`;
    mkdirSync(this.#outside(this.project), { recursive: true });
    for (const folder of [this.home, this.project]) chownSync(this.#outside(folder), USER, USER);
    this.write(".npmrc", `registry=${session.registry}\nupdate-notifier=false\n`, this.home);
  }

  /** Writes a file of the project's. */
  write(name: string, text: string, folder = this.project): void {
    const path = this.#outside(join(folder, name));
    writeFileSync(path, text);
    chownSync(path, USER, USER);
  }

  /** Copies a file or folder into the project. */
  copy(source: string, name: string): void {
    const path = this.#outside(join(this.project, name));
    cpSync(source, path, { recursive: true });
    for (const entry of [path, ...entriesUnder(path)]) chownSync(entry, USER, USER);
  }

  /** Runs a shell command in the project. */
  run(command: string, { env = {}, isOffline = false }: RunOptions = {}): Promise<Ended> {
    const variables = { HOME: this.home, PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8", ...env };
    const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const shell = ["/bin/sh", "-c", `cd ${this.project} && ${command}`];
    return this.session.run(["/usr/bin/env", "-i", ...words, ...shell], { isOffline });
  }

  /** As `run`, for a command that must succeed. */
  async succeed(command: string, options?: RunOptions): Promise<Ended> {
    return succeeded(await this.run(command, options), command);
  }

  #outside(path: string): string {
    return join(this.session.upper, path);
  }
}

function entriesUnder(path: string): string[] {
  if (!statSync(path).isDirectory()) return [];
  return readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name));
}
