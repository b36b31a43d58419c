import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { engineIn } from "../checks.js";
import { Image } from "../image.js";
import type { Place } from "../place.js";
import { type Ended, succeeded } from "../processes.js";
import { Session } from "../session.js";
import { Skipped } from "../summary.js";
import { megabytes, sizeOf } from "../written.js";

const MAX_BYTES = 700e6;
/** What Debian's slim images leave out, in /usr/share. */
const NOT_IN_SLIM = ["doc", "info", "locale", "man"];

/** The Dockerfile's image, for the system that it is made from. */
export async function checkImage(place: Place): Promise<void> {
  if (place.system.name !== "trixie") return;
  const check = place.checks("image");
  const session = new Session(place.session.root, place.session.tools, place.session.registry);
  const { home } = session.user("node");
  const image = new Image(session);
  const run = async (words: string, env?: Readonly<Record<string, string>>, user?: number): Promise<Ended> =>
    succeeded(await image.run(words, env, user), `docker run bidora ${words}`);

  await check("docker build", async () => {
    const started = performance.now();
    await image.build({ npm_config_registry: session.registry });
    return `${((performance.now() - started) / 1000).toFixed(0)} s; ${sizes(session, home)}`;
  });
  await check("docker run bidora doctor --json", async () => engineIn((await run("doctor --json")).stdout));
  await check("docker run bidora quickstart --methods lora", async () => {
    if (place.endpoint === undefined) throw new Skipped("the quickstart's model can't be downloaded here");
    const { seconds } = await run("quickstart --methods lora", { HF_ENDPOINT: place.endpoint });
    if (!existsSync(join(session.upper, "cache/huggingface/hub"))) throw new Error("the model is not in /cache");
    if (lstatSync(join(session.upper, "work/runs")).uid === 0) throw new Error("it ran as root");
    return `${seconds.toFixed(0)} s`;
  });
  await check("docker run --user 4321 bidora doctor --json", async () =>
    engineIn((await run("doctor --json", {}, 4321)).stdout),
  );
}

/** @throws Error if the image is too large */
function sizes({ root, tools, upper }: Session, home: string): string {
  const all = (folder: string, names: readonly string[]) =>
    names.reduce((sum, name) => sum + sizeOf(join(folder, name)), 0);
  const slim = all(root, ["etc", "usr", "var"]) - all(join(root, "usr/share"), NOT_IN_SLIM);
  const node = all(join(tools, "node_modules"), ["node22/bin", "npm"]);
  const own = sizeOf(upper) - sizeOf(join(upper, home));
  const text = `${megabytes(slim + node + own)}: Debian ${megabytes(slim)}, Node and npm ${megabytes(node)}, the rest ${megabytes(own)}`;
  if (slim + node + own > MAX_BYTES) throw new Error(text);
  return text;
}
