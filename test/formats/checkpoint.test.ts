import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/formats/checkpoint.js";
import { writeSafetensors } from "../../src/formats/safetensors/safetensors.js";
import { bytesEntry } from "./bytesEntry.js";
import { temporaryFolders } from "./temporaryFolder.js";

const folder = temporaryFolders();
const one = (name: string, value: number) =>
  bytesEntry(name, "F32", [1], new Uint8Array(Float32Array.of(value).buffer));

function modelFolder(files: Readonly<Record<string, unknown>>): string {
  const where = folder();
  for (const [name, content] of Object.entries(files)) {
    if (Array.isArray(content)) writeSafetensors(join(where, name), content);
    else writeFileSync(join(where, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return where;
}

const INDEX = "model.safetensors.index.json";
const shards = {
  "config.json": {},
  "model-1.safetensors": [one("a", 1)],
  "model-2.safetensors": [one("b", 2), one("c", 3)],
};
const map = { a: "model-1.safetensors", b: "model-2.safetensors", c: "model-2.safetensors" };

describe("openCheckpoint", () => {
  it("reads a single file", () => {
    const checkpoint = openCheckpoint(
      modelFolder({ "config.json": { model_type: "bert" }, "model.safetensors": [one("w", 5)] }),
    );
    expect(checkpoint.config.model_type).toBe("bert");
    expect(checkpoint.names).toEqual(["w"]);
    expect(checkpoint.readTensor("w").toArray()).toEqual([5]);
    expect(() => checkpoint.readTensor("v")).toThrow(/no tensor 'v'/);
    checkpoint.close();
  });

  it("reads shards through their index", () => {
    const checkpoint = openCheckpoint(modelFolder({ ...shards, [INDEX]: { metadata: {}, weight_map: map } }));
    expect(checkpoint.names).toEqual(["a", "b", "c"]);
    expect(checkpoint.files.length).toBe(2);
    expect(checkpoint.names.map((name) => checkpoint.readTensor(name).item())).toEqual([1, 2, 3]);
    expect(checkpoint.info("c").shape).toEqual([1]);
    checkpoint.close();
  });

  it.each([
    [
      "an index that names a missing shard",
      { ...shards, [INDEX]: { weight_map: { ...map, d: "model-3.safetensors" } } },
      /names the shard model-3.safetensors/,
    ],
    [
      "an index that lies about a shard",
      { ...shards, [INDEX]: { weight_map: { ...map, d: "model-1.safetensors" } } },
      /has the tensor 'd', but it does not/,
    ],
    [
      "an index that leaves the folder",
      { ...shards, [INDEX]: { weight_map: { a: "../x.safetensors" } } },
      /weight_map/,
    ],
    ["an index without a weight_map", { ...shards, [INDEX]: {} }, /weight_map/],
    [
      "pickled weights",
      { "config.json": {}, "pytorch_model.bin": "x" },
      /pytorch_model.bin, which is not supported .*save_pretrained/,
    ],
    ["no weights", { "config.json": {} }, /expected model.safetensors/],
    ["an adapter", { "adapter_config.json": {} }, /holds an adapter, not a model/],
    ["no config", { "model.safetensors": [one("w", 1)] }, /no config.json/],
    [
      "a config that is a list",
      { "config.json": "[]", "model.safetensors": [one("w", 1)] },
      /must hold a JSON object, but holds a list/,
    ],
    ["a broken config", { "config.json": "{", "model.safetensors": [one("w", 1)] }, /config.json is not valid JSON/],
  ])("refuses %s", (_, files, message) => {
    const where = modelFolder(files);
    expect(() => openCheckpoint(where)).toThrow(message);
    expect(() => openCheckpoint(where)).toThrow(where);
  });

  it("refuses what is not a folder", () => {
    const where = modelFolder({ file: "" });
    expect(() => openCheckpoint(join(where, "file"))).toThrow(/is not a folder/);
    mkdirSync(join(where, "empty"));
    expect(() => openCheckpoint(join(where, "empty"))).toThrow(/no config.json/);
  });
});
