import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fakeHubs } from "../../formats/fakeHubs.js";
import { BERT, fresh, GOLDEN } from "../support.js";

const BIN = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));

/** Far longer than any of these commands takes. */
const LIMIT_MS = 60_000;

/** The command with other variables; one that never ends is killed. */
async function withEnvironment(variables: Readonly<Record<string, string>>, ...argv: readonly string[]) {
  const child = spawn(process.execPath, [BIN, ...argv], {
    env: { ...process.env, OMP_NUM_THREADS: "1", ...variables },
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let stderr = "";
  child.stderr.on("data", (text: Buffer) => {
    stderr += text.toString();
  });
  const status = await new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
  return { status, stderr };
}

describe.runIf(existsSync("/proc/self"))("a cache on a file system that refuses new files", { timeout: 90_000 }, () => {
  const hubs = fakeHubs();

  test("for Hub files is refused before a download", async () => {
    const { hub, endpoint } = await hubs();
    hub.files = { "config.json": { content: "{}" }, "model.safetensors": { content: "weights" } };
    const { status, stderr } = await withEnvironment(
      { HF_ENDPOINT: endpoint, HF_HOME: "/proc/x", HF_HUB_CACHE: "", HF_TOKEN: "", HF_HUB_OFFLINE: "" },
      "download",
      "org/model",
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^bidora: \/proc\/x\/hub\/models--org--model\/blobs can't be made \(ENOENT\): \/proc takes no new folders; .*HF_HOME/,
    );
    expect(hub.downloads("config.json")).toEqual([]);
  });

  test("for converted GGUF files is refused", async () => {
    const file = join(GOLDEN, "io/gguf/smollm.gguf");
    const { status, stderr } = await withEnvironment(
      { XDG_CACHE_HOME: "/proc/x" },
      "generate",
      "--model",
      file,
      "--prompt",
      "a",
    );
    expect(status).toBe(1);
    expect(stderr).toBe(
      "bidora: /proc/x/bidora/gguf can't be made (ENOENT): /proc takes no new folders; write elsewhere. The folder is set by BIDORA_HOME or XDG_CACHE_HOME.\n",
    );
  });

  test("is not needed for tokenizers that were checked before", async () => {
    const { status, stderr } = await withEnvironment(
      { XDG_CACHE_HOME: "/proc/x" },
      "preview",
      "--model",
      join(BERT, "single"),
      "--train",
      join(GOLDEN, "rows/train.jsonl"),
      "--quiet",
    );
    expect([status, stderr]).toEqual([0, ""]);
  });
});

describe("a cache folder below a file", () => {
  const hubs = fakeHubs();

  test("is refused before a download", async () => {
    const { hub, endpoint } = await hubs();
    hub.files = { "config.json": { content: "{}" }, "model.safetensors": { content: "weights" } };
    const file = fresh("file");
    writeFileSync(file, "");
    const { status, stderr } = await withEnvironment(
      { HF_ENDPOINT: endpoint, HF_HOME: file, HF_HUB_CACHE: "", HF_TOKEN: "", HF_HUB_OFFLINE: "" },
      "download",
      "org/model",
    );
    expect(stderr).toBe(
      `bidora: ${file}/hub/models--org--model/blobs can't be written (ENOTDIR): a part of the path is a file, where a folder is expected; write elsewhere. The folder is set by HF_HUB_CACHE, HF_HOME or XDG_CACHE_HOME.\n`,
    );
    expect(status).toBe(1);
    expect(hub.downloads("config.json")).toEqual([]);
  });
});
