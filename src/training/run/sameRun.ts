// Whether all ranks train the same model on the same rows with the same settings.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { BidoraError } from "../../base/index.js";
import { CHECKSUMS, sha256 } from "../../base/records/index.js";
import { flagOf } from "../../base/settings/index.js";
import { type RunKey, settingsOf } from "../../tasks/config/index.js";
import * as torch from "../../torch/index.js";
import type { FoundCheckpoint } from "../checkpoints/resume.js";
import type { Prepared } from "./prepare.js";
import { type ProvenanceSource, versions } from "./provenance.js";

/** What one rank has: values that messages show, digests, and sums of weights. */
interface Facts {
  readonly shown: Readonly<Record<string, string>>;
  readonly digests: Readonly<Record<string, string>>;
  readonly sums: Readonly<Record<string, Sum>>;
}

/** The sum of a tensor's values, and of their absolute values. */
type Sum = readonly [sum: number, absolute: number];

/** Settings that may differ between machines; what is there may not. */
const PATHS: ReadonlySet<string> = new Set<RunKey>(["model", "adapter", "data", "train", "validation", "test"]);

/** Elements that are summed at once. */
const CHUNK = 2 ** 16;

/** The relative difference that other numbers of threads can make in a sum in float64. */
const ROUNDING = 1e-10;

/**
 * Checks that nothing differs between the ranks that would let them train different models.
 * @param from the checkpoint to resume from
 * @throws BidoraError `RANKS_DIFFER` on all ranks, naming the first difference
 */
export async function refuseDifferences(
  prepared: Prepared,
  provenance: ProvenanceSource,
  from: FoundCheckpoint | undefined,
): Promise<void> {
  const { ranks } = prepared;
  if (ranks.size === 1) return;
  const [first, ...others] = ranks.gather(await factsOf(prepared, provenance, from)) as [Facts, ...Facts[]];
  for (const [i, other] of others.entries()) {
    const found = differenceOf(first, other);
    if (found === undefined) continue;
    throw new BidoraError(
      "RANKS_DIFFER",
      `Rank ${i + 1} and rank 0 differ in ${found}: all ranks need the same versions, settings, model and data.`,
    );
  }
}

async function factsOf(
  prepared: Prepared,
  provenance: ProvenanceSource,
  from: FoundCheckpoint | undefined,
): Promise<Facts> {
  const { bidora, libtorch } = versions();
  const settings = Object.entries(settingsOf(prepared.config))
    .filter(([key]) => !PATHS.has(key))
    .map(([key, value]) => [flagOf(key), show(value)]);
  const digests = Object.entries(await provenance.ofRun()).map(([name, value]) => [name, JSON.stringify(value)]);
  return {
    shown: { "bidora's version": bidora, "libtorch's version": libtorch, ...Object.fromEntries(settings) },
    digests: { ...Object.fromEntries(digests), "the checkpoint to resume from": from ? contentsOf(from) : "" },
    sums: sumsOf(prepared),
  };
}

/** Ranks whose output folders are not shared may have other checkpoints of the same name. */
const contentsOf = ({ path }: FoundCheckpoint): string =>
  `${basename(path)} ${sha256(readFileSync(join(path, CHECKSUMS)))}`;

/** What messages show for a setting that has no value. */
const UNSET = "not set";

const show = (value: unknown): string => JSON.stringify(value) ?? UNSET;

function sumsOf({ loaded, adapted }: Prepared): Record<string, Sum> {
  const base = Array.from(loaded.model.baseParameters(), ([name, { values }]) => [name, () => values.dense()] as const);
  const trained = adapted.trained.map(({ name, tensor }) => [name, () => tensor] as const);
  return torch.noGrad(() =>
    Object.fromEntries([...base, ...trained].map(([name, of]) => [name, torch.scope(() => sumOf(of()))])),
  );
}

function sumOf(tensor: torch.Tensor): Sum {
  const flat = torch.reshape(tensor, [-1]);
  const [count = 0] = flat.shape;
  let [sum, absolute] = [0, 0];
  for (let at = 0; at < count; at += CHUNK)
    torch.scope(() => {
      const part = torch.onDevice(torch.narrow(flat, 0, at, Math.min(CHUNK, count - at)), "cpu");
      const values = torch.castTo(part, "float64");
      sum += torch.sum(values).item();
      absolute += torch.sum(torch.abs(values)).item();
    });
  return [sum, absolute];
}

/** What differs first, in words; undefined if nothing does. */
function differenceOf(first: Facts, other: Facts): string | undefined {
  for (const name of Object.keys({ ...first.shown, ...other.shown })) {
    const [value = UNSET, own = UNSET] = [first.shown[name], other.shown[name]];
    if (own !== value) return `${name} (${own}, and ${value} on rank 0)`;
  }
  for (const [name, value] of Object.entries(first.digests)) if (other.digests[name] !== value) return name;
  for (const [name, own] of Object.entries(first.sums))
    if (!isSameSum(own, other.sums[name])) return `the weights of ${name}`;
  return undefined;
}

function isSameSum([sum, absolute]: Sum, other: Sum | undefined): boolean {
  if (!other) return false;
  // sums of weights that are not finite are named by the run itself
  if (!Number.isFinite(absolute)) return !Number.isFinite(other[1]);
  return Math.abs(sum - other[0]) <= ROUNDING * absolute && Math.abs(absolute - other[1]) <= ROUNDING * absolute;
}
