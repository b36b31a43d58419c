/** `bidora doctor`: reports on the engine. */

import { HINTED_COMMAND, packageVersion } from "../../base/index.js";
import { session } from "../../tasks/config/index.js";
import { type Diagnosis, diagnose, type EngineDetails, type FoundEngine } from "../../torch/index.js";
import { type Leftover, leftovers } from "../setup/clean.js";
import { defineCommand, formatTable } from "./command.js";
export const doctorCommand = defineCommand({
  usage: "doctor",
  about: "Shows what the engine found (libtorch, BLAS, threads, bfloat16) and what needs fixing.",
  options: session,
  hooks: [],
  run: async () => ({ ...diagnose(), unused: leftovers() }),
  show(diagnosis) {
    const { problems } = diagnosis;
    const value = { node: process.versions.node, bidora: packageVersion(), ...diagnosis };
    if (!hasDetails(diagnosis)) return { value, text: engineTable(diagnosis), failure: problems.join(" "), status: 1 };
    const verdict = problems.join("\n") || "Everything is in order.";
    const details = formatTable(["part", "found"], [...describe(diagnosis), ...cache(diagnosis.unused)]);
    return {
      value,
      text: [engineTable(diagnosis), details, verdict].join("\n\n"),
      status: problems.length === 0 ? 0 : 1,
    };
  },
});

const engineTable = ({ engines, problems }: Diagnosis): string =>
  formatTable(
    ["looked in", "libtorch", "MiB", "result"],
    engines.map((engine) => [engine.source, engine.libtorch ?? "", sizeOf(engine), resultOf(engine, problems)]),
  );

const sizeOf = ({ bytes }: FoundEngine): string => (bytes === undefined ? "" : String(Math.round(bytes / 2 ** 20)));

/** A problem that is stated below the table is not repeated. */
function resultOf({ inUse, problem, folder }: FoundEngine, stated: readonly string[]): string {
  if (inUse) return `in use: ${folder}`;
  if (problem === undefined) return "not needed";
  return stated.includes(problem) ? "can't be used" : problem;
}

/** Only an engine that could be loaded has details. */
const hasDetails = (diagnosis: Diagnosis): diagnosis is Diagnosis & EngineDetails => diagnosis.library !== undefined;

function describe(facts: EngineDetails): [string, string][] {
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
    ["CUDA", cuda(facts)],
    ["products", `${facts.gigaflops.float32} GFLOP/s in float32, ${facts.gigaflops.bfloat16} in bfloat16`],
  ];
}

/** The version, then the devices, or why there are none. */
function cuda({ cuda: found }: EngineDetails): string {
  if (!found) return "no: this libtorch is built for the CPU alone";
  const version = `${Math.floor(found.version / 1000)}.${(found.version % 1000) / 10}`;
  if (found.devices > 0) return `${version}; ${found.devices} ${found.devices === 1 ? "device" : "devices"}`;
  const [reason = ""] = found.warning.replace("CUDA initialization: ", "").split(/\. |\n/);
  return `${version}; no device: ${reason || "there is no NVIDIA driver, or no card"}`;
}

function frozenProducts({ ownProducts, tiles }: EngineDetails): string {
  if (ownProducts.length > 0) return `our own in ${ownProducts.join(" and ")}${tiles ? ", with AMX" : ""}`;
  return tiles ? "libtorch's, with AMX" : "libtorch's";
}

/** What earlier versions left, if anything. */
function cache(unused: readonly Leftover[]): [string, string][] {
  if (unused.length === 0) return [];
  const size = Math.ceil(unused.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20);
  return [["cache", `${size} MiB that no installation uses: ${HINTED_COMMAND} setup --clean removes them`]];
}
