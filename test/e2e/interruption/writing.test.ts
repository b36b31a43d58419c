import { spawnSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { BERT, fresh, jsonl, list, ROWS, run, SMALL } from "../support.js";

const BIN = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));

/** The command where no file may grow beyond so many KiB: the system takes what fits, then refuses, as a full disk does. */
function limited(kibibytes: number, ...argv: readonly string[]) {
  const script = `ulimit -f ${kibibytes}; exec "$0" "$@"`;
  return spawnSync("bash", ["-c", script, process.execPath, BIN, ...argv], { encoding: "utf8" });
}

describe("a disk that is too small for the result", () => {
  test("ends predict with an error and leaves no file", () => {
    const row = readFileSync(join(ROWS, "texts.jsonl"), "utf8").split("\n")[0] as string;
    const input = jsonl(...Array.from({ length: 40 }, () => JSON.parse(row) as object));
    const output = join(fresh("out"), "predictions.jsonl");
    const { status, stdout, stderr } = limited(
      2,
      "predict",
      "--model",
      SMALL.model,
      "--input",
      input,
      "--output",
      output,
    );
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^bidora: .*predictions\.jsonl can't be written \(EFBIG\): .*\n$/);
    expect(list(join(output, ".."))).toEqual([]);
  });

  test("ends merge with an error that names the file, and leaves no folder", () => {
    const output = fresh("merged");
    const flags = ["--model", SMALL.model, "--adapter", join(BERT, "adapters/lora"), "--output", output];
    const { status, stderr } = limited(40, "merge", ...flags);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `bidora: ${join(output, "model.safetensors")} can't be written (EFBIG): the file grows larger than this system allows; raise the limit (ulimit -f), or write elsewhere.\n`,
    );
    expect(list(join(output, ".."))).not.toContain(output.split("/").at(-1));
  });
});

describe("values that are not finite", () => {
  test.each(["full", "lora", "dora", "bidora"] as const)(
    "a last step of %s that diverged is no success",
    async (method) => {
      const output = fresh();
      // Beyond float32: the step itself is not finite, though its loss was.
      const settings = { method, maxSteps: 1, warmupRatio: 0, learningRate: 1e39, output };
      const last = {
        ...settings,
        ...(method === "bidora" && { learningRate: 0, retrainLearningRate: 1e39, upperLearningRate: 0 }),
      };
      const error = await run(last).catch((caught: unknown) => caught as Error);
      expect(error).toMatchObject({
        code: "STATE_NOT_FINITE",
        message: expect.stringMatching(/^Step [12]: \S+ is no longer finite: use a smaller --learning-rate\./),
      });
      for (const name of ["adapter_model.safetensors", "model.safetensors", "metrics.json", "README.md"])
        expect(list(output)).not.toContain(name);
    },
  );

  test("are neither merged nor exported", async () => {
    const adapter = fresh("adapter");
    cpSync(join(BERT, "adapters/lora"), adapter, { recursive: true });
    const path = join(adapter, "adapter_model.safetensors");
    const file = openSafetensors(path);
    const tensors = [...file.names].map((name) => [name, file.readTensor(name)] as const);
    file.close();
    const broken = tensors.map(
      ([name, tensor]) =>
        [
          name,
          name.includes("layer.1.attention.self.value.lora_B") ? torch.mulScalar(tensor, Number.NaN) : tensor,
        ] as const,
    );
    saveSafetensors(path, broken);
    const output = fresh("merged");
    const settings = { model: SMALL.model, revision: undefined, adapter, output, overwrite: false };
    await expect(merge(settings)).rejects.toThrow(
      /adapter's own tensor \S*layer\.1\.attention\.self\.value\.lora_B\.weight holds values that are not finite/,
    );
    await expect(exportModel({ ...settings, to: "peft-lora", rank: undefined })).rejects.toThrow();
    expect(list(output)).toEqual([]);
  });
});
