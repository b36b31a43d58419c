// Our worker process. Speaks the protocol of ../turns/protocol.ts.

import { deviceMemory } from "../../src/torch/devices/memory.js";
import * as torch from "../../src/torch/index.js";
import type { WorkerSpec } from "../turns/protocol.js";
import { encoding } from "./encoding.js";
import { generation } from "./generation.js";
import { limit } from "./limit.js";
import { meter } from "./meter.js";
import { prediction } from "./prediction.js";
import { products } from "./products.js";
import { profile } from "./profile.js";
import { reading } from "./reading.js";
import { serve } from "./serve.js";
import { training } from "./training.js";
import type { Prepared } from "./work.js";

type Task = WorkerSpec["task"];

/** The implementation of each task. */
const TASKS: { readonly [T in Task]: (spec: Extract<WorkerSpec, { task: T }>) => Prepared | Promise<Prepared> } = {
  train: training,
  predict: prediction,
  limit,
  generate: generation,
  encode: encoding,
  read: reading,
  product: products,
};

let device = "cpu";

async function prepare(spec: WorkerSpec): Promise<Prepared> {
  if ("device" in spec) device = spec.device ?? "cpu";
  torch.setThreads(spec.threads);
  const begin = TASKS[spec.task] as (spec: WorkerSpec) => Prepared | Promise<Prepared>;
  const { work, facts } = await begin(spec);
  return { work, facts: { ...engine(), ...facts } };
}

function engine() {
  const { torchVersion, threads, onednnVersion, cpuCapability, mkl, openblas } = torch.engineFacts();
  const blas = mkl ? "MKL" : openblas;
  return { libtorch: torchVersion, node: process.version, threads, onednn: onednnVersion, cpuCapability, blas };
}

function memory() {
  const found = deviceMemory(device);
  return found && { peakMiB: found.peak / 2 ** 20, residentMiB: found.peak / 2 ** 20 };
}

await serve(({ spec }) => prepare(spec as WorkerSpec), { meter, profile }, memory);
