// Installs the packages as a fresh user does, from a registry on this machine: npm run test:package [-- WORD…] [--packages DIR]
// A word is a system (trixie, bookworm, …) or a part (npm, pnpm, …); all by default. DIR has the tarballs of an earlier `npm run package`.
import { parseArgs } from "node:util";
import { hiddenPaths } from "./hidden.js";
import { startHub } from "./hub.js";
import { emptyPackages, tarballSizes, tarballs } from "./packages.js";
import { checkRefusal } from "./parts/refusal.js";
import { PARTS, type Part } from "./parts.js";
import { Place } from "./place.js";
import { removeTemporary } from "./places.js";
import { stopAll } from "./processes.js";
import { publish, startRegistry } from "./registry.js";
import { Session } from "./session.js";
import { Skipped, Summary } from "./summary.js";
import { HOST, rootOf, SYSTEMS, type System } from "./systems.js";
import { installTools } from "./tools.js";

const { values, positionals: words } = parseArgs({
  options: { packages: { type: "string" } },
  allowPositionals: true,
});

/** Those that are named; all if none is. */
function chosen<T extends { readonly name: string }>(all: readonly T[]): readonly T[] {
  const named = all.filter(({ name }) => words.includes(name));
  return named.length > 0 ? named : all;
}

function partsOn({ parts }: System): readonly Part[] {
  const named = chosen(PARTS);
  return named === PARTS && parts ? PARTS.filter(({ name }) => parts.includes(name)) : named;
}

async function main(summary: Summary): Promise<void> {
  const known = [...SYSTEMS, HOST, ...PARTS].map(({ name }) => name);
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new Error(`unknown word ${unknown}; expected some of ${known.join(", ")}`);
  if (process.platform !== "linux" || process.arch !== "x64")
    return summary.skip("all", "all", "there is a package for Linux on x64 only to try");
  if (process.getuid?.() !== 0) return summary.skip("all", "all", "overlays in mount namespaces need root");
  const tools = await installTools();
  const packages = await tarballs(values.packages);
  await summary.check("packages", "size", async () => tarballSizes(packages));
  const registry = await startRegistry(tools);
  await publish(registry, [...packages, ...emptyPackages(packages)]);
  const hub = await startHub();
  const setting = { tools, registry, endpoint: hub?.endpoint, summary };
  let isDone = false;
  for (const system of words.includes(HOST.name) ? [HOST] : chosen(SYSTEMS))
    isDone = (await checkSystem({ ...setting, system })) || isDone;
  if (!isDone) await checkSystem({ ...setting, system: HOST });
  hub?.hub.stop();
}

interface Setting {
  readonly system: System;
  readonly tools: string;
  readonly registry: string;
  readonly endpoint: string | undefined;
  readonly summary: Summary;
}

/** @returns whether the system can be had */
async function checkSystem({ system, tools, registry, endpoint, summary }: Setting): Promise<boolean> {
  try {
    const session = new Session(await rootOf(system), tools, registry);
    if (system === HOST) await session.hide(hiddenPaths());
    await session.checkNamespaces();
    const place = new Place(system, session, summary, endpoint);
    if (system.refusal) await checkRefusal(place, system.refusal);
    else for (const part of partsOn(system)) await part.run(place);
    return true;
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    summary.skip(system.name, system.title, error.message);
    return false;
  }
}

async function cleanUp(): Promise<void> {
  await stopAll();
  removeTemporary();
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, async () => {
    await cleanUp();
    process.exit(1);
  });

const summary = new Summary();
try {
  await main(summary);
} catch (error) {
  if (!(error instanceof Skipped)) throw error;
  summary.skip("all", "all", error.message);
} finally {
  await cleanUp();
}
console.log(`\n${summary.text()}`);
process.exitCode = summary.hasFailed ? 1 : 0;
