// Checks that several parts have in common.
import { npm } from "./managers.js";
import type { Place } from "./place.js";
import { printed } from "./project.js";
import type { RunOptions, User } from "./session.js";
import { Skipped } from "./summary.js";

/** @throws Error unless `doctor --json` reports no problem */
export async function healthy(user: User, command = `${npm.run} bidora`): Promise<string> {
  return engineIn((await user.succeed(`${command} doctor --json`)).stdout);
}

/** The engine in the output of `doctor --json`. @throws Error if it is not the platform package's, or has a problem */
export function engineIn(stdout: string): string {
  const { torchVersion, problems, library } = JSON.parse(stdout);
  if (problems.length > 0 || !library.includes("node_modules/@bidora/linux-x64-gnu")) throw new Error(stdout);
  return `libtorch ${torchVersion}`;
}

/** @throws Skipped if its model can't be had */
export async function quickstart(place: Place, user: User, command: string, options: RunOptions = {}) {
  if (place.endpoint === undefined) throw new Skipped("the quickstart's model can't be downloaded here");
  return user.succeed(command.replace(/^bidora/, `${npm.run} bidora`), {
    env: { HF_ENDPOINT: place.endpoint },
    ...options,
  });
}

/** The project's programs: all print the same. */
export async function checkPrograms(place: Place, user: User, part: string, node: string): Promise<void> {
  const check = place.checks(part);
  for (const program of ["app.mjs", "app.cjs"])
    await check(`node ${program}`, async () => {
      const { text } = printed((await user.succeed(`${node} ${program}`)).stdout);
      return `generated "${text}"`;
    });
}
