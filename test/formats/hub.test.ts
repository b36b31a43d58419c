import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { scanCachedRepo } from "@huggingface/hub";
import { describe, expect, it } from "vitest";
import type { DownloadProgress } from "../../src/base/callContext.js";
import { BidoraError } from "../../src/base/errors.js";
import type { HubOptions } from "../../src/formats/hub/options.js";
import { resolveModel } from "../../src/formats/resolveModel.js";
import { COMMIT, type FakeHub, flood, gitSha1, sha256, stall } from "./fakeHub.js";
import { fakeHubs } from "./fakeHubs.js";
import { collectGarbage } from "./garbage.js";
import { temporaryFolders } from "./temporaryFolder.js";

const folder = temporaryFolders();
const newHub = fakeHubs();
const WEIGHTS = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 251));
const FILES = {
  "config.json": { content: '{"model_type":"bert"}' },
  "tokenizer.json": { content: "{}" },
  "model.safetensors": { content: WEIGHTS, large: true },
  "pytorch_model.bin": { content: "pickle", large: true },
  "README.md": { content: "hello" },
};

const MODULES = {
  "modules.json": { content: "[]" },
  "1_Pooling/config.json": { content: '{"pooling_mode_cls_token":true}' },
};

interface Setup {
  readonly hub: FakeHub;
  readonly home: string;
  /** models--org--model in the cache. */
  readonly cached: string;
  readonly blobs: string;
  readonly options: HubOptions;
  fetch(options?: HubOptions): Promise<string>;
}

async function setup(environment: Readonly<Record<string, string>> = {}): Promise<Setup> {
  const { hub, endpoint } = await newHub();
  hub.files = FILES;
  const home = folder();
  const cached = join(home, "hub", "models--org--model");
  const options = {
    environment: { HF_ENDPOINT: endpoint, HF_HOME: home, ...environment },
    retryDelayMs: 1,
    timeoutMs: 3000,
  };
  const fetch = (more: HubOptions = {}) => resolveModel("org/model", { ...options, ...more });
  return { hub, home, cached, blobs: join(cached, "blobs"), options, fetch };
}

async function failure(promise: Promise<unknown>): Promise<BidoraError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BidoraError);
  expect((error as BidoraError).message).not.toMatch(/hf_secret|\n/);
  return error as BidoraError;
}

describe("resolveModel", () => {
  it("downloads the needed files in huggingface_hub's cache layout", async () => {
    const { fetch, cached, blobs } = await setup();
    const snapshot = await fetch();
    expect(snapshot).toBe(join(cached, "snapshots", COMMIT));
    expect(readdirSync(snapshot).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(readFileSync(join(snapshot, "model.safetensors"))).toEqual(WEIGHTS);
    expect(readlinkSync(join(snapshot, "model.safetensors"))).toBe(`../../blobs/${sha256(WEIGHTS)}`);
    expect(readlinkSync(join(snapshot, "config.json"))).toBe(`../../blobs/${gitSha1(FILES["config.json"].content)}`);
    expect(readFileSync(join(cached, "refs", "main"), "utf8")).toBe(COMMIT);
    expect(readdirSync(blobs).length).toBe(3);
    expect((await scanCachedRepo(cached)).revisions).toMatchObject([
      { commitOid: COMMIT, refs: ["main"], size: 50_023 },
    ]);
  });

  it("only asks for the commit if the cache has it, and for nothing offline or with a commit as revision", async () => {
    const { fetch, hub } = await setup();
    const snapshot = await fetch();
    hub.requests.length = 0;
    expect(await fetch()).toBe(snapshot);
    expect(hub.requests.length).toBe(1);
    expect(await fetch({ revision: COMMIT })).toBe(snapshot);
    expect(await fetch({ offline: true })).toBe(snapshot);
    expect(hub.requests.length).toBe(1);
  });

  it("follows a branch that moved, and shares unchanged files", async () => {
    const { fetch, hub, cached, blobs } = await setup();
    await fetch();
    hub.commit = "f".repeat(40);
    hub.files = { ...FILES, "config.json": { content: '{"model_type":"roberta"}' } };
    const snapshot = await fetch();
    expect(snapshot).toBe(join(cached, "snapshots", hub.commit));
    expect(readFileSync(join(snapshot, "config.json"), "utf8")).toContain("roberta");
    expect(hub.downloads("model.safetensors").length).toBe(1);
    expect(readdirSync(blobs).length).toBe(4);
  });

  it("accepts a revision, and reports one that does not exist", async () => {
    const { fetch, cached } = await setup();
    await fetch({ revision: "v1" });
    expect(readdirSync(join(cached, "refs"))).toEqual(["v1"]);
    expect((await failure(fetch({ revision: "v9" }))).message).toMatch(/org\/model has no revision 'v9'/);
    expect((await failure(fetch({ revision: "../../x" }))).message).toMatch(/cannot be a revision/);
  });

  it("downloads the modules of a sentence-transformers model", async () => {
    const { fetch, hub } = await setup();
    hub.files = { ...FILES, ...MODULES, "onnx/config.json": { content: "{}" } };
    const snapshot = await fetch();
    expect(readFileSync(join(snapshot, "1_Pooling/config.json"), "utf8")).toBe(
      MODULES["1_Pooling/config.json"].content,
    );
    expect(existsSync(join(snapshot, "onnx"))).toBe(false);
    expect(await fetch({ revision: COMMIT })).toBe(snapshot);
  });

  it("completes a snapshot in which another program left small files out", async () => {
    const { fetch, hub, cached } = await setup();
    const snapshot = await fetch();
    hub.files = { ...FILES, ...MODULES };
    expect(await fetch()).toBe(snapshot);
    expect(readdirSync(join(snapshot, "1_Pooling"))).toEqual(["config.json"]);
    expect(readdirSync(join(cached, "snapshots"))).toEqual([COMMIT]);
  });

  it("asks once for the modules of a pinned snapshot that another program downloaded", async () => {
    const { fetch, hub, cached } = await setup();
    hub.files = { ...FILES, ...MODULES };
    const snapshot = await fetch({ revision: COMMIT });
    for (const name of ["modules.json", "1_Pooling"]) rmSync(join(snapshot, name), { recursive: true });
    expect(await fetch({ revision: COMMIT })).toBe(snapshot);
    expect(readdirSync(join(snapshot, "1_Pooling"))).toEqual(["config.json"]);
    hub.files = FILES;
    rmSync(cached, { recursive: true });
    await fetch({ revision: COMMIT });
    expect(readdirSync(join(cached, ".no_exist", COMMIT))).toEqual(["modules.json"]);
  });

  it("keeps a snapshot if the Hub doesn't name the repository's files", async () => {
    const { fetch, hub } = await setup();
    const snapshot = await fetch();
    hub.namesFiles = false;
    hub.requests.length = 0;
    expect(await fetch()).toBe(snapshot);
    expect(hub.requests.length).toBe(1);
  });

  it("downloads the shards in an index, and no others", async () => {
    const { fetch, hub } = await setup();
    hub.files = {
      "config.json": FILES["config.json"],
      "vocab.txt": { content: "a" },
      "model.safetensors.index.json": {
        content: JSON.stringify({ weight_map: { a: "m-1.safetensors", b: "m-2.safetensors" } }),
      },
      "m-1.safetensors": { content: "one", large: true },
      "m-2.safetensors": { content: "two", large: true },
      "other.safetensors": { content: "three", large: true },
    };
    const names = Object.keys(hub.files).filter((name) => name !== "other.safetensors");
    expect(readdirSync(await fetch()).sort()).toEqual(names.sort());
  });

  it("reports progress over all files", async () => {
    const { fetch } = await setup();
    const seen: DownloadProgress[] = [];
    await fetch({ onProgress: (progress) => seen.push(progress) });
    const total = 50_000 + 21 + 2;
    expect(seen.at(-1)).toEqual({ file: "model.safetensors", receivedBytes: total, totalBytes: total });
    expect(seen.every((progress, i) => i === 0 || progress.receivedBytes >= seen[i - 1]!.receivedBytes)).toBe(true);
  });

  it("returns a local folder as it is, and reports a missing one", async () => {
    const { options } = await setup();
    const local = folder();
    expect(await resolveModel(local, options)).toBe(local);
    writeFileSync(join(local, "file"), "");
    expect((await failure(resolveModel(join(local, "file"), options))).message).toMatch(
      /is a file; expected a model folder/,
    );
    expect((await failure(resolveModel(join(local, "none"), options))).message).toMatch(/There is no folder/);
    expect((await failure(resolveModel("./none", options))).message).toMatch(/There is no folder \.\/none/);
  });
});

describe("an interrupted download", () => {
  it("resumes within one call", async () => {
    const { fetch, hub } = await setup();
    hub.breakOff = { file: "model.safetensors", afterBytes: 20_000, times: 2 };
    const snapshot = await fetch();
    expect(hub.downloads("model.safetensors")).toEqual([undefined, "bytes=20000-", "bytes=40000-"]);
    expect(readFileSync(join(snapshot, "model.safetensors"))).toEqual(WEIGHTS);
  });

  it("resumes in the next call, and never appears under its final name", async () => {
    const { fetch, hub, cached, blobs } = await setup();
    hub.breakOff = { file: "model.safetensors", afterBytes: 20_000, times: 1 };
    const failOn = ({ receivedBytes }: DownloadProgress) => {
      if (receivedBytes >= 20_000) hub.status = 503;
    };
    expect((await failure(fetch({ onProgress: failOn }))).message).toMatch(
      /stopped after 20000 of 50000 bytes; run the command again/,
    );
    expect(readdirSync(blobs)).toContain(`${sha256(WEIGHTS)}.incomplete`);
    expect(readdirSync(blobs)).not.toContain(sha256(WEIGHTS));
    expect(readdirSync(cached)).not.toContain("refs");
    hub.status = undefined;
    await fetch();
    expect(hub.downloads("model.safetensors").at(-1)).toBe("bytes=20000-");
    expect(readdirSync(blobs).filter((name) => name.endsWith(".incomplete"))).toEqual([]);
  });

  it("takes over from a killed process, but not from a running one", async () => {
    const { fetch, hub, blobs } = await setup();
    mkdirSync(blobs, { recursive: true });
    const partial = (pid: number) => join(blobs, `${sha256(WEIGHTS)}.${pid}-0123abcd.incomplete`);
    writeFileSync(partial(process.ppid), WEIGHTS.subarray(0, 70));
    writeFileSync(partial(2 ** 22 + 1), WEIGHTS.subarray(0, 100));
    await fetch();
    expect(hub.downloads("model.safetensors")).toEqual(["bytes=100-"]);
    expect(readdirSync(blobs).filter((name) => name.endsWith(".incomplete")).length).toBe(1);
  });

  it("restarts if the server doesn't support ranges", async () => {
    const { fetch, hub } = await setup();
    hub.ignoreRange = true;
    hub.breakOff = { file: "model.safetensors", afterBytes: 20_000, times: 1 };
    expect(readFileSync(join(await fetch(), "model.safetensors"))).toEqual(WEIGHTS);
  });

  it("discards partial downloads of other contents, and those longer than the file", async () => {
    const { fetch, blobs } = await setup();
    mkdirSync(blobs, { recursive: true });
    const rest = join(blobs, `${sha256(WEIGHTS)}.incomplete`);
    writeFileSync(rest, "other contents");
    expect((await failure(fetch())).code).toBe("HUB_CHECKSUM");
    writeFileSync(rest, Buffer.alloc(60_000));
    expect(readFileSync(join(await fetch(), "model.safetensors"))).toEqual(WEIGHTS);
  });
});

describe("a wrong checksum", () => {
  it.each(["model.safetensors", "config.json"] as const)(
    "of %s is refused, and nothing of it is kept",
    async (file) => {
      const { fetch, hub, blobs } = await setup();
      hub.damaged = file;
      expect((await failure(fetch())).message).toMatch(new RegExp(`${file} of org/model arrived damaged`));
      expect(readdirSync(blobs).filter((name) => name.startsWith(sha256(FILES[file].content)))).toEqual([]);
      expect(readdirSync(blobs).filter((name) => name.startsWith(gitSha1(FILES[file].content)))).toEqual([]);
      hub.damaged = undefined;
      expect(lstatSync(join(await fetch(), file)).isSymbolicLink()).toBe(true);
    },
  );
});

describe("the access token", () => {
  it("comes from HF_TOKEN or the token file, and is sent to the endpoint", async () => {
    const first = await setup({ HF_TOKEN: "hf_secret" });
    await first.fetch();
    expect(new Set(first.hub.requests.map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer hf_secret"]),
    );
    const second = await setup();
    writeFileSync(join(second.home, "token"), "hf_secret_file\n");
    await second.fetch();
    expect(second.hub.requests[0]?.authorization).toBe("Bearer hf_secret_file");
    const third = await setup();
    await third.fetch();
    expect(new Set(third.hub.requests.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
  });

  it("is not sent along a redirect to another origin", async () => {
    const { fetch, hub } = await setup({ HF_TOKEN: "hf_secret" });
    hub.elsewhere = true;
    await fetch();
    const sent = hub.requests.filter(({ path }) => path.endsWith("/model.safetensors"));
    expect(sent.map(({ authorization }) => authorization)).toEqual(["Bearer hf_secret", undefined]);
  });

  it.each([
    [401, "", {}, /does not show org\/model without a token .* set HF_TOKEN/],
    [401, "", { HF_TOKEN: "hf_secret" }, /to this token \(401\).* HF_TOKEN is valid/],
    [403, "GatedRepo", { HF_TOKEN: "hf_secret" }, /accept its conditions at http.*\/org\/model/],
    [404, "RepoNotFound", { HF_TOKEN: "hf_secret" }, /There is no model org\/model at .* no local folder of that name/],
    [418, "", { HF_TOKEN: "hf_secret" }, /status 418/],
    [502, "", { HF_TOKEN: "hf_secret" }, /status 502; set HF_ENDPOINT/],
  ])("is not shown if the Hub answers %i", async (status, code, environment, message) => {
    const { fetch, hub } = await setup(environment);
    hub.status = status;
    hub.errorCode = code;
    expect((await failure(fetch())).message).toMatch(message);
  });

  it.each([
    ["a line break", "hf_secret\nhf_other"],
    ["a space", "hf_secret hf_other"],
    ["a character outside ASCII", "hf_secret–x"],
  ])("with %s is refused before any request", async (_, token) => {
    const { fetch, hub, home } = await setup({ HF_TOKEN: token });
    const message =
      /^The Hub's token can't be sent, because .* set HF_TOKEN \(or the token file\) to the token alone\.$/;
    const error = await failure(fetch());
    expect(error).toMatchObject({ message: expect.stringMatching(message), exitStatus: 2 });
    expect(hub.requests).toEqual([]);
    const second = await setup();
    writeFileSync(join(second.home, "token"), `${token}\n`);
    expect((await failure(second.fetch())).message).toMatch(message);
    expect((await failure(second.fetch({ token }))).message).toMatch(message);
    expect(second.hub.requests).toEqual([]);
    expect(readdirSync(home)).toEqual([]);
  });
});

describe("a file in the listing", () => {
  const gone =
    (status: number, code = "EntryNotFound") =>
    (response: ServerResponse) =>
      response.writeHead(status, { "X-Error-Code": code }).end('{"error":"no hf_secret"}');

  it("that is missing is named in the error, instead of the model", async () => {
    const { fetch, hub } = await setup();
    hub.odd.set("/tokenizer.json", gone(404));
    const { code, message } = await failure(fetch());
    expect(code).toBe("HUB_NOT_FOUND");
    expect(message).toMatch(
      /^http:\S+ lists tokenizer\.json in org\/model but has no such file \(404\): try again later, give another --revision, or set HF_ENDPOINT/,
    );
  });

  it("is named in the error for an unexpected status", async () => {
    const { fetch, hub } = await setup();
    hub.odd.set("/config.json", gone(418));
    expect((await failure(fetch())).message).toMatch(
      /request for config\.json of org\/model with the unexpected status 418/,
    );
  });
});

describe("a redirect", () => {
  const to = (location: string) => (response: ServerResponse) => response.writeHead(302, { Location: location }).end();

  it.each([
    [
      "file:///etc/passwd",
      /redirects model\.safetensors to a file: address, where http: or https: is expected; set HF_/,
    ],
    ["http://", /redirects model\.safetensors to something that is not an address; set HF_ENDPOINT/],
    ["http://me:hf_secret@127.0.0.1/x", /model\.safetensors to http:\/\/127\.0\.0\.1\/x with a user name or password/],
  ])("to %s is reported and not followed", async (location, message) => {
    const { fetch, hub } = await setup();
    hub.odd.set("/model.safetensors", to(location));
    const { code, message: said } = await failure(fetch());
    expect([code, said]).toEqual(["HUB_UNREACHABLE", expect.stringMatching(message)]);
  });

  it("to itself is reported without its query", async () => {
    const { fetch, hub } = await setup();
    hub.odd.set("/model.safetensors", to("model.safetensors?signature=hf_secret"));
    expect((await failure(fetch())).message).toMatch(
      /redirects model\.safetensors more than 10 times, last to http:\/\/\S+\/model\.safetensors; set HF_ENDPOINT/,
    );
    hub.odd.set("/main", to("main"));
    hub.requests.length = 0;
    expect((await failure(fetch())).message).toMatch(/redirects the request more than 10 times, last to .*\/main;/);
    expect(hub.requests.length).toBe(11);
  });

  it("of a renamed model is followed", async () => {
    const { hub, options } = await setup();
    hub.odd.set("/org/old/revision/main", to("/api/models/org/model/revision/main"));
    hub.odd.set(`/org/old/tree/${COMMIT}`, to(`/api/models/org/model/tree/${COMMIT}`));
    for (const file of Object.keys(FILES))
      hub.odd.set(`/org/old/resolve/${COMMIT}/${file}`, to(`/org/model/resolve/${COMMIT}/${file}`));
    const snapshot = await resolveModel("org/old", options);
    expect(readFileSync(join(snapshot, "model.safetensors"))).toEqual(WEIGHTS);
  });

  it.each([
    [
      404,
      "HUB_FAILED",
      /redirects model\.safetensors of org\/model to http:\/\/localhost:\d+, which answered with status 404: try/,
    ],
    [
      403,
      "HUB_FAILED",
      /to http:\/\/localhost:\d+, which answered with status 403: try again later, or set HF_ENDPOINT/,
    ],
    [
      503,
      "HUB_UNREACHABLE",
      /redirects model\.safetensors to http:\/\/localhost:\d+, which answered with status 503; set/,
    ],
  ])("to a server that answers %i is named", async (status, code, message) => {
    const { fetch, hub } = await setup({ HF_TOKEN: "hf_secret" });
    hub.odd.set("/model.safetensors", (response, { headers, url }) => {
      const [host, port] = headers.host!.split(":");
      if (host === "localhost") response.writeHead(status).end();
      else response.writeHead(302, { Location: `http://localhost:${port}${url}?signature=hf_secret` }).end();
    });
    const error = await failure(fetch());
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
  });

  it("that leads nowhere makes the cached copy be used", async () => {
    const { fetch, hub } = await setup();
    const snapshot = await fetch();
    hub.odd.set("/main", to("file:///etc/passwd"));
    const notes: string[] = [];
    expect(await fetch({ onNote: (note) => notes.push(note) })).toBe(snapshot);
    expect(notes.join()).toMatch(/redirects the request to a file: address.* The copy in the cache is used\./);
  });
});

describe("an unreachable Hub", () => {
  it("is reported with advice, if the cache has no copy", async () => {
    const { fetch, hub } = await setup();
    hub.stop();
    expect((await failure(fetch())).message).toMatch(/cannot be reached \(ECONNREFUSED\); set HF_ENDPOINT/);
    expect((await failure(fetch({ offline: true }))).message).toMatch(/not in the cache .* offline mode/);
  });

  it.each([["stopped"], ["silent"], ["failing"]])("makes the cached copy be used, with a note: %s", async (state) => {
    const { fetch, hub } = await setup();
    const snapshot = await fetch();
    if (state === "stopped") hub.stop();
    hub.silent = state === "silent";
    if (state === "failing") hub.status = 502;
    const notes: string[] = [];
    expect(await fetch({ timeoutMs: 200, onNote: (note) => notes.push(note) })).toBe(snapshot);
    expect(notes.join()).toMatch(/The copy in the cache is used\./);
  });

  it("is not contacted with HF_HUB_OFFLINE", async () => {
    const { fetch, hub } = await setup({ HF_HUB_OFFLINE: "1" });
    expect((await failure(fetch())).code).toBe("HUB_OFFLINE");
    expect(hub.requests).toEqual([]);
  });

  it("is needed for an incomplete snapshot", async () => {
    const { fetch } = await setup();
    rmSync(join(await fetch(), "model.safetensors"));
    expect((await failure(fetch({ offline: true }))).code).toBe("HUB_OFFLINE");
  });

  it("can be aborted by a signal", async () => {
    const { fetch, hub } = await setup();
    hub.silent = true;
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("Ctrl-C")), 50);
    await expect(fetch({ signal: controller.signal })).rejects.toThrow("Ctrl-C");
  });
});

describe("an endpoint that is not a Hub", () => {
  it("is reported", async () => {
    const { fetch, hub } = await setup();
    hub.portal = true;
    expect((await failure(fetch())).message).toMatch(/gave an unexpected answer about org\/model: it is not JSON/);
    hub.portal = false;
    hub.odd.set("/main", (response) => response.end("null"));
    expect((await failure(fetch())).message).toMatch(/unexpected answer about org\/model: parts of it are missing/);
    const broken = await setup({ HF_ENDPOINT: "hub" });
    expect((await failure(broken.fetch())).message).toMatch(/HF_ENDPOINT must be an address .* but is 'hub'/);
  });

  it.each(["file:///hub", "ftp://hub", "localhost:8080", "http://localhost/?mirror=1", "http://localhost#hub"])(
    "is refused if paths can't be appended to it: %s",
    async (address) => {
      const { fetch } = await setup({ HF_ENDPOINT: address });
      expect((await failure(fetch())).message).toBe(
        `HF_ENDPOINT must be an address such as https://hub.example.org, but is '${address}'.`,
      );
    },
  );

  it("is refused with a user name or password, without showing them", async () => {
    const { hub, options } = await setup();
    const endpoint = options.environment!.HF_ENDPOINT!;
    for (const user of ["hf_secret", "me:hf_secret", "me:hf_se@hf_secret"]) {
      const address = endpoint.replace("//", `//${user}@`);
      const { fetch } = await setup({ HF_ENDPOINT: `${address}/` });
      const { message, exitStatus } = await failure(fetch());
      expect(message).toBe(
        `HF_ENDPOINT must have no user name or password in it: set it to ${endpoint}, and HF_TOKEN to a token if the Hub asks for one.`,
      );
      expect(exitStatus).toBe(2);
      const unreadable = await setup({ HF_ENDPOINT: `http://${user}@hub name` });
      expect((await failure(unreadable.fetch())).message).toMatch(/but is '…@hub name'\.$/);
    }
    expect(hub.requests).toEqual([]);
  });
});

describe("the contents of a repository", () => {
  it("with only pickles are refused before any download", async () => {
    const { fetch, hub, home } = await setup();
    const { "model.safetensors": _, ...pickled } = FILES;
    hub.files = pickled;
    expect((await failure(fetch())).message).toMatch(/pytorch_model.bin, which is not supported .*save_pretrained/);
    expect(readdirSync(home)).toEqual([]);
  });

  it("can be an adapter", async () => {
    const { fetch, hub } = await setup();
    hub.files = {
      "adapter_config.json": { content: "{}" },
      "adapter_model.safetensors": { content: "x", large: true },
    };
    expect(readdirSync(await fetch()).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
  });
});

describe("a response that has begun", () => {
  it.each([["/revision/main"], [`/tree/${COMMIT}`], ["/config.json"]])("and stalls is aborted: %s", async (path) => {
    const { fetch, hub } = await setup();
    hub.odd.set(path, stall);
    const collecting = setInterval(collectGarbage, 20);
    try {
      expect((await failure(fetch({ timeoutMs: 150 }))).message).toMatch(
        /did not answer in time|stopped after 1 of 21/,
      );
    } finally {
      clearInterval(collecting);
    }
  });

  it("and trickles forever is aborted", async () => {
    const { fetch, hub } = await setup();
    hub.odd.set("/revision/main", (response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(" "), 20);
      response.on("close", () => clearInterval(drip));
    });
    expect((await failure(fetch({ timeoutMs: 100 }))).message).toMatch(/did not answer in time/);
  });

  it.each([["/revision/main"], [`/tree/${COMMIT}`]])("of the API has a size limit: %s", async (path) => {
    const { fetch, hub } = await setup();
    hub.odd.set(path, flood);
    expect((await failure(fetch())).message).toMatch(/unexpected answer .*: it sent more than 16777216 bytes/);
  });

  it("can't be longer than the file's listed size", async () => {
    const { fetch, hub, blobs } = await setup();
    hub.odd.set("/config.json", flood);
    expect((await failure(fetch())).message).toMatch(
      /config\.json of org\/model should have 21 bytes, but more arrived/,
    );
    expect(readdirSync(blobs).map((name) => lstatSync(join(blobs, name)).size)).toEqual([0]);
  });

  it("can be aborted by a signal", async () => {
    const { fetch, hub } = await setup();
    hub.odd.set("/config.json", stall);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("Ctrl-C")), 50);
    await expect(fetch({ signal: controller.signal })).rejects.toThrow("Ctrl-C");
  });
});

describe("a listing", () => {
  const entry = (path: string, more: object = {}) => ({ type: "file", path, size: 1, oid: "a".repeat(40), ...more });
  const listing = (hub: FakeHub, ...entries: object[]) =>
    hub.odd.set(`/tree/${COMMIT}`, (response, request) =>
      response
        .writeHead(200, { Link: `<http://${request.headers.host}${request.url}>; rel="next"` })
        .end(JSON.stringify(entries)),
    );

  it("has a limited number of pages", async () => {
    const { fetch, hub } = await setup();
    listing(hub, entry("config.json"));
    expect((await failure(fetch())).message).toMatch(/unexpected answer .*: it has more than 20 pages/);
    expect(hub.requests.length).toBe(21);
  });

  it.each([
    [entry("../../../evil.model"), /is not a plain name/],
    [entry("1_Pooling/../../evil.model"), /is not a plain name/],
    [entry("x.model", { oid: "../x" }), /x\.model has no checksum/],
    [entry("x.model", { size: "1" }), /x\.model has no size/],
    [entry("x.model", { size: -1 }), /x\.model has no size/],
  ])("is refused with %o", async (odd, message) => {
    const { fetch, hub } = await setup();
    listing(hub, odd);
    expect((await failure(fetch())).message).toMatch(message);
  });

  it("with a configuration file of gigabytes is refused", async () => {
    const { fetch, hub } = await setup();
    hub.odd.set(`/tree/${COMMIT}`, (response) =>
      response.end(JSON.stringify([entry("config.json", { size: 1e10 }), entry("model.safetensors")])),
    );
    expect((await failure(fetch())).message).toMatch(/config\.json of org\/model has 10000000000 bytes/);
  });
});
