import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { packageVersion } from "../../base/index.js";
import type { MachineFacts, Versions } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";

/** Facts about the machine that a run uses. @param device of the run */
export function machineFacts(device: string): MachineFacts {
  const facts = torch.engineFacts();
  return {
    system: `${platform()} ${release()} ${arch()}`,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    threads: facts.threads,
    memoryBytes: totalmem(),
    device,
    blas: facts.mkl ? "MKL" : facts.openblas.split(" ").slice(0, 2).join(" ") || facts.blasLibrary,
    fastBfloat16: torch.hasFastBfloat16(),
  };
}

export function versions(): Versions {
  return { bidora: packageVersion(), node: process.versions.node, libtorch: torch.engineFacts().torchVersion };
}
