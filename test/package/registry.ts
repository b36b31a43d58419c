// A registry of one's own, which serves what was published to it, and the rest from the registry that npm is configured with.
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "./places.js";
import { start, succeed } from "./processes.js";
import { PROGRAMS } from "./tools.js";

const PATIENCE_MS = 60_000;

/** Starts it on a free port of 127.0.0.1. @returns its address */
export async function startRegistry(tools: string): Promise<string> {
  const folder = temporaryFolder("registry");
  const upstream = (await succeed(["npm", "config", "get", "registry"])).stdout.trim();
  writeFileSync(join(folder, "config.yaml"), configuration(folder, upstream));
  const address = `127.0.0.1:${await freePort()}`;
  const [node, verdaccio] = [PROGRAMS.node, "verdaccio/bin/verdaccio"].map((path) => join(tools, "node_modules", path));
  const server = start([node!, verdaccio!, "--config", join(folder, "config.yaml"), "--listen", address]);
  server.stdout!.resume();
  server.stderr!.resume();
  await answers(`http://${address}/-/ping`);
  return `http://${address}/`;
}

/** Publishes packages. @param packages tarballs or folders */
export async function publish(registry: string, packages: readonly string[]): Promise<void> {
  const userConfig = join(temporaryFolder("publisher"), "npmrc");
  writeFileSync(userConfig, `registry=${registry}\n${registry.replace("http:", "")}:_authToken=anyone\n`);
  for (const path of packages)
    await succeed(["npm", "publish", path, "--userconfig", userConfig, "--ignore-scripts", "--access", "public"]);
}

const configuration = (folder: string, upstream: string): string => `
storage: ${join(folder, "storage")}
uplinks:
  configured:
    url: ${upstream}
    cache: true
    maxage: 1h
    timeout: 60s
    max_fails: 20
packages:
  'bidora':
    access: $all
    publish: $all
  '@bidora/*':
    access: $all
    publish: $all
  '**':
    access: $all
    proxy: configured
max_body_size: 1gb
log: { type: stdout, format: pretty, level: error }
`;

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
}

async function answers(url: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const isUp = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return;
    await sleep(100);
  }
  throw new Error("The registry did not start.");
}
