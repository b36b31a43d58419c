import { UsageError } from "../common/errors.js";
import { readRunFile, resolveRun, verifyOptions } from "../config/index.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { formatTable } from "./output.js";

export const verifyHypergradient = defineCommand({
  usage: "verify-hypergradient [run.yaml] [flags]",
  about: "Compares each hypergradient estimator with the exact one, on your own model and data.",
  options: verifyOptions,
  positionals: 1,
  interruptible: true,
  run: async ({ given: { precision, ...given }, positionals: [file], output, signal }) => {
    if (precision !== undefined && given.dtype !== undefined)
      throw new UsageError("--precision and --dtype exclude each other: one takes the place of the other.");
    const config = resolveRun(given, { file: file === undefined ? {} : readRunFile(file) });
    const { verifyHypergradient: verify } = await import("../commands/verifyHypergradient.js");
    const result = await verify(config, { precision, signal, hub: { signal, ...downloadHooks(output) } });
    const rows = result.estimators.map((row) => [
      row.name,
      row.cosine.toFixed(6),
      row.relativeError.toExponential(2),
      row.seconds.toFixed(2),
    ]);
    const share = `Second-order share of the hypergradient's norm: ${result.secondOrderShare.toPrecision(3)}`;
    const table = formatTable(["estimator", "cosine", "relative error", "seconds"], rows);
    output.result(result, [`In ${result.dtype}:`, table, share, ...result.notes].join("\n"));
  },
});
