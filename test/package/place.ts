// Where a part runs: a system, a fresh user on it, and where results go.
import type { Manager } from "./managers.js";
import { npm } from "./managers.js";
import { writeProject } from "./project.js";
import type { Session, User } from "./session.js";
import type { Summary } from "./summary.js";
import type { System } from "./systems.js";

export class Place {
  #installed: Promise<User> | undefined;

  constructor(
    readonly system: System,
    readonly session: Session,
    readonly summary: Summary,
    /** The Hub's address; undefined if the quickstart's model can't be had. */
    readonly endpoint: string | undefined,
  ) {}

  /** A fresh user with a project in which nothing is installed. */
  user(name: string, { files }: Pick<Manager, "files"> = {}): User {
    const user = this.session.user(name);
    writeProject(user);
    for (const [file, text] of Object.entries(files?.(this.session.registry) ?? {})) user.write(file, text);
    return user;
  }

  /** A user in whose project npm has installed bidora; the same one each time. */
  installed(): Promise<User> {
    this.#installed ??= this.#install();
    return this.#installed;
  }

  async #install(): Promise<User> {
    const user = this.user("npm");
    await user.succeed(npm.install);
    return user;
  }

  /** The checks of one part: each is skipped if an earlier one failed. */
  checks(part: string): (check: string, body: () => Promise<string | undefined>) => Promise<boolean> {
    const title = `${this.system.name} ${part}`;
    let failed: string | undefined;
    return async (check, body) => {
      if (failed !== undefined) {
        this.summary.skip(title, check, `after "${failed}"`);
        return false;
      }
      const holds = await this.summary.check(title, check, body);
      if (!holds) failed = check;
      return holds;
    };
  }
}
