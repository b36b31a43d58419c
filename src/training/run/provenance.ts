import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  buildDigest,
  type CallContext,
  CONFIG_FILE,
  GENERATION_CONFIG,
  isClone,
  packageVersion,
} from "../../base/index.js";
import {
  ADAPTER_FILES,
  checksumsOf,
  type MachineFacts,
  type Provenance,
  type RunEvent,
  sha256,
  type Versions,
} from "../../base/records/index.js";
import { weightFileNames } from "../../formats/index.js";
import { settingsOf, unusedSettings } from "../../tasks/config/index.js";
import type { EncodedExample } from "../../tasks/index.js";
import * as torch from "../../torch/index.js";
import { engineFacts } from "../../torch/index.js";
import { ownSources } from "../../torch/installations/index.js";
import { arithmetic } from "../../torch/operators/index.js";
import { type FoundCheckpoint, FREE, findCheckpoint, madeWith, settingDifferences } from "../checkpoints/resume.js";
import type { RunObserver } from "../loop/observer.js";
import { type Prepared, plansOf } from "./prepare.js";

/** The number of rows between two turns of the event loop. */
const ROWS_AT_ONCE = 512;

/**
 * Computes the checksums of a run's inputs, once. Since gigabytes of weights take a while, the work starts after the first step and
 * continues between steps.
 */
export class ProvenanceSource implements RunObserver {
  readonly #ended = new AbortController();
  #found: Promise<Provenance> | undefined;

  constructor(readonly prepared: Prepared) {}

  on({ event }: RunEvent): void {
    if (event === "step") void this.find();
  }

  find(): Promise<Provenance> {
    this.#found ??= this.#gather();
    return this.#found;
  }

  /** Digests of what the run is made from, in words: all that need not read the weights. */
  async ofRun(): Promise<Readonly<Record<string, unknown>>> {
    const { folder, tokenizer, labels, data, choice, texts } = this.prepared;
    const digestOf = async (rows: readonly EncodedExample[] | undefined) => (rows ? await digestRows(rows) : null);
    return {
      "the labels": labels,
      "the training rows": await digestOf(data.train),
      "the upper level's rows": await digestOf(data.upper),
      "the validation rows": await digestOf(data.validation),
      "the test rows": await digestOf(data.test),
      "the held-out rows": await digestOf(data.holdout),
      "the tokenizer": await this.#digest(folder, () => tokenizer.files()),
      [CONFIG_FILE]: await this.#digest(folder, () => [CONFIG_FILE]),
      "the task": choice.kind,
      "the pooling or the prompts of the embeddings": choice.task.embedding,
      ...(texts && { [GENERATION_CONFIG]: await this.#generationConfig() }),
    };
  }

  /** Stops the work, when nobody needs the result. */
  end(): void {
    this.#ended.abort();
  }

  async #gather(): Promise<Provenance> {
    const { folder, adapterFolder, tokenizer, labels, data, sources, choice, texts } = this.prepared;
    const { embedding } = choice.task;
    return {
      train: await digestRows(data.train),
      validation: data.validation ? await digestRows(data.validation) : null,
      test: data.test ? await digestRows(data.test) : null,
      holdout: data.holdout ? await digestRows(data.holdout) : null,
      ...(data.upper && { upper: await digestRows(data.upper) }),
      ...(sources && { sources: sha256(JSON.stringify(data.train.map(({ at }) => sources.indexOf(at)))) }),
      labels: [...labels],
      config: await this.#digest(folder, () => [CONFIG_FILE]),
      weights: await this.#digest(folder, () => weightFileNames(folder)),
      tokenizer: await this.#digest(folder, () => tokenizer.files()),
      adapter:
        adapterFolder === undefined ? null : await this.#digest(adapterFolder, () => adapterFiles(adapterFolder)),
      ...(embedding && { embedding: sha256(JSON.stringify(embedding)) }),
      ...(texts && { generation: await this.#generationConfig() }),
    };
  }

  /** A model without the file generates by the defaults, so that adding or removing it is a change. */
  #generationConfig(): Promise<string | null> {
    const { folder } = this.prepared;
    return this.#digest(folder, () => readdirSync(folder).filter((name) => name === GENERATION_CONFIG));
  }

  /** Null if files are missing: a run does not fail because its inputs were removed. */
  async #digest(folder: string, names: () => readonly string[]): Promise<string | null> {
    try {
      return sha256(await checksumsOf(folder, names(), this.#ended.signal));
    } catch {
      return null;
    }
  }
}

/** The digest of encoded rows, without their position in the file and their source text. */
async function digestRows(rows: readonly EncodedExample[]): Promise<{ rows: number; sha256: string }> {
  const hash = createHash("sha256");
  for (const [i, { at: _at, source: _source, ...row }] of rows.entries()) {
    hash.update(`${JSON.stringify(row)}\n`);
    if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await nextTurn();
  }
  return { rows: rows.length, sha256: hash.digest("hex") };
}

function adapterFiles(folder: string): string[] {
  return ADAPTER_FILES.filter((name) => existsSync(join(folder, name)));
}

/**
 * The checkpoint that a resumed run continues from.
 * Notes say if it is not the newest, and if the resumed run may not have the same bits.
 * @throws BidoraError as `findCheckpoint`
 */
export async function checkpointToResume(
  prepared: Prepared,
  provenance: ProvenanceSource,
  { onNote }: CallContext = {},
): Promise<FoundCheckpoint> {
  const { config, adapted, trained, levels, ranks } = prepared;
  const found = await findCheckpoint({
    folder: config.output,
    config,
    settings: settingsOf(config),
    madeFrom: await provenance.find(),
    plans: plansOf(prepared),
    trained,
    upper: levels?.upper,
    hooks: adapted.hooks,
    processes: ranks.size,
  });
  for (const damaged of found.damaged) onNote?.(`${damaged}: continuing from ${found.path}.`);
  const idle = unusedSettings(config);
  for (const difference of settingDifferences(found.state.settings, settingsOf(config))) {
    if (FREE.has(difference.key) && !idle.includes(difference.key)) onNote?.(`${madeWith(found.path, difference)}.`);
  }
  for (const difference of arithmeticDifferences(found, adapted.model.device, ranks.size)) {
    onNote?.(`${difference}: the result may differ in its last bits from that of an uninterrupted run.`);
  }
  return found;
}

const counted = (processes: number): string => `${processes} ${processes === 1 ? "process" : "processes"}`;

function arithmeticDifferences({ path, state }: FoundCheckpoint, device: string, processes: number): string[] {
  const [{ threads }, kind] = [engineFacts(), arithmetic()];
  const { device: before = "cpu", processes: ranks = 1 } = state;
  return [
    ...(ranks === processes
      ? []
      : [`${path} was computed by ${counted(ranks)}, now there ${processes === 1 ? "is" : "are"} ${processes}`]),
    ...(before === device ? [] : [`${path} was computed on ${before}, now the run is on ${device}`]),
    ...(threads === state.threads
      ? []
      : [`${path} was computed with --threads ${state.threads}, now there are ${threads}`]),
    ...(state.arithmetic === undefined || state.arithmetic === kind
      ? []
      : [`${path} was computed with ${state.arithmetic}, now it is ${kind}`]),
  ];
}

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
  return {
    bidora: `${packageVersion()}${buildMetadata()}`,
    node: process.versions.node,
    libtorch: torch.engineFacts().torchVersion,
  };
}

/** What tells two builds of a clone with one version apart, as semver's build metadata: `+1f0c52ab`. Packages have none. */
function buildMetadata(): string {
  const built = isClone ? buildDigest() : undefined;
  return built === undefined ? "" : `+${sha256(`${built} ${ownSources()}`).slice(0, 8)}`;
}
