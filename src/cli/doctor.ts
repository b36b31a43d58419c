import { sessionOptions } from "../config.js";
import type { EngineFacts } from "../torch/index.js";
import { defineCommand } from "./command.js";
import { formatTable } from "./output.js";

export const doctor = defineCommand({
  usage: "doctor",
  about: "What the engine found: libtorch, BLAS, threads, bfloat16; and what to mend.",
  options: sessionOptions,
  positionals: 0,
  run: async ({ output }) => {
    const torch = await import("../torch/index.js");
    const facts = torch.engineFacts();
    const fastBfloat16 = torch.hasFastBfloat16();
    const warning = torch.blasWarning(facts);
    const result = { node: process.versions.node, ...facts, fastBfloat16, problems: warning ? [warning] : [] };
    const verdict = warning ?? "Everything is in order.";
    output.result(result, `${formatTable(["part", "found"], describe(facts, fastBfloat16))}\n\n${verdict}`);
    return warning ? 1 : 0;
  },
});

function describe(facts: EngineFacts, fastBfloat16: boolean): [string, string][] {
  const blas = facts.mkl ? "MKL" : facts.openblas || "not an optimised one";
  return [
    ["Node", process.versions.node],
    ["libtorch", `${facts.torchVersion} (${facts.library})`],
    ["BLAS", facts.blasLibrary ? `${blas} (${facts.blasLibrary})` : blas],
    ["oneDNN", facts.onednn ? facts.onednnVersion || "yes" : "no"],
    ["threads", `${facts.threads}${facts.openmp ? ", OpenMP" : ""}`],
    ["processor", facts.cpuCapability],
    ["bfloat16", fastBfloat16 ? "computed in hardware" : "slow here; dtype auto takes float32"],
  ];
}
