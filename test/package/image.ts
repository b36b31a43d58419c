// The image that the repository's Dockerfile describes, made and run without Docker.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./places.js";
import { type Ended, succeeded } from "./processes.js";
import type { Session } from "./session.js";

type Variables = Readonly<Record<string, string>>;

/** How an image of Node's on Debian 13 begins. */
const BASE = { name: /^node:22-trixie-slim$/, user: "root", path: "/usr/local/bin:/usr/bin:/bin" };
const USERS: Readonly<Record<string, number>> = { root: 0, node: 1000 };

/** The instructions of a Dockerfile, without comments: words and what follows them. */
function instructions(text: string): [string, string][] {
  const lines = text
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n");
  return lines.flatMap((line) => {
    const [, word, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    return word === undefined || rest === undefined ? [] : [[word, rest]];
  });
}

export class Image {
  readonly #environment: Record<string, string> = { PATH: BASE.path };
  readonly #arguments: Record<string, string> = {};
  #folder = "/";
  #user = BASE.user;
  #entryPoint: readonly string[] = [];

  /** @param session of the base: Debian 13 with Node 22, and a user `node` */
  constructor(readonly session: Session) {}

  /** Performs the instructions. @param settings this machine's own environment variables for RUN, such as its registry */
  async build(settings: Variables): Promise<void> {
    for (const [word, rest] of instructions(readFileSync(join(REPOSITORY, "Dockerfile"), "utf8"))) {
      const perform = this.#instructions[word];
      if (!perform) throw new Error(`the Dockerfile has ${word}, which is not known here`);
      await perform(rest, settings);
    }
  }

  /** Runs the entry point, as `docker run` does. @param user a number, as with `--user`; by default the image's user */
  run(words: string, env: Variables = {}, user = USERS[this.#user]!): Promise<Ended> {
    return this.#shell([...this.#entryPoint, words].join(" "), env, user);
  }

  readonly #instructions: Readonly<Record<string, (rest: string, settings: Variables) => Promise<void> | void>> = {
    FROM: (name) => {
      if (!BASE.name.test(name)) throw new Error(`the Dockerfile begins with ${name}, expected ${BASE.name}`);
    },
    ARG: (rest) => this.#assign(this.#arguments, rest),
    ENV: (rest) => this.#assign(this.#environment, rest),
    WORKDIR: async (folder) => {
      await this.#perform(`mkdir -p ${folder}`);
      this.#folder = folder;
    },
    RUN: (rest, settings) => this.#perform(rest.replace(/^(--\S+ +)+/, ""), { ...this.#arguments, ...settings }),
    USER: (name) => {
      this.#user = name;
    },
    ENTRYPOINT: (words) => {
      this.#entryPoint = JSON.parse(words);
    },
    CMD: () => {},
    VOLUME: () => {},
  };

  #assign(variables: Record<string, string>, text: string): void {
    const [name, value] = text.split("=") as [string, string];
    variables[name] = value.replace(/\$(\w+)/g, (_, other) => this.#environment[other] ?? "");
  }

  async #perform(command: string, env: Variables = {}): Promise<void> {
    succeeded(await this.#shell(command, env, USERS[this.#user]!), `RUN ${command}`);
  }

  #shell(command: string, env: Variables, user: number): Promise<Ended> {
    const home = user === 0 ? "/root" : "/home/node";
    const variables = { HOME: home, ...this.#environment, ...env };
    const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const shell = ["/bin/sh", "-c", `cd ${this.#folder} || exit; ${command}`];
    return this.session.run(["/usr/bin/env", "-i", ...words, ...shell], { user });
  }
}
