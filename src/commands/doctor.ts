/** `bidora doctor`: reports on the engine. */
import { session } from "../config/index.js";
import { type Diagnosis, diagnose } from "../torch/index.js";
import { defineCommand, formatTable } from "./command.js";
export const doctorCommand = defineCommand({
  usage: "doctor",
  about: "Shows what the engine found (libtorch, BLAS, threads, bfloat16) and what needs fixing.",
  options: session,
  hooks: [],
  run: async () => diagnose(),
  show(diagnosis) {
    const verdict = diagnosis.problems.join("\n") || "Everything is in order.";
    return {
      value: { node: process.versions.node, ...diagnosis },
      text: `${formatTable(["part", "found"], describe(diagnosis))}\n\n${verdict}`,
      status: diagnosis.problems.length === 0 ? 0 : 1,
    };
  },
});

function describe(facts: Diagnosis): [string, string][] {
  const blas = facts.mkl ? "MKL" : facts.openblas || "not optimized";
  return [
    ["Node", process.versions.node],
    ["libtorch", `${facts.torchVersion} (${facts.library})`],
    ["BLAS", facts.blasLibrary ? `${blas} (${facts.blasLibrary})` : blas],
    ["oneDNN", facts.onednn ? facts.onednnVersion || "yes" : "no"],
    ["threads", `${facts.threads}${facts.openmp ? ", OpenMP" : ""}`],
    ["processor", `${facts.cpuCapability}; our operators ${facts.isaVariant} (of ${facts.isaVariants.join(", ")})`],
    ["frozen products", frozenProducts(facts)],
    ["bfloat16", facts.fastBfloat16 ? "computed in hardware" : "slow here; dtype auto takes float32"],
    ["products", `${facts.gigaflops.float32} GFLOP/s in float32, ${facts.gigaflops.bfloat16} in bfloat16`],
  ];
}

function frozenProducts({ ownProducts, tiles }: Diagnosis): string {
  if (ownProducts.length > 0) return `our own in ${ownProducts.join(" and ")}`;
  return tiles ? "libtorch's, with AMX" : "libtorch's";
}
