// The settings of OFT, and their place in PEFT's files. Its layers are in oft.ts.

import * as z from "zod";
import { BidoraError } from "../../../base/index.js";
import type { JsonObject } from "../../../base/records/index.js";
import { TARGET_DEFAULTS, type TargetedConfig } from "../adapterConfig.js";
import { peftKeys, refusedLayers, TARGET_KEY_DEFAULTS } from "../peft/targetKeys.js";
import type { Slot } from "../targets.js";

/** Settings of OFT; meanings and defaults are PEFT's, except that blocks are counted by default. */
export interface OftConfig extends TargetedConfig {
  readonly method: "oft";
  /** The number of blocks in a layer, PEFT's `r`; 0 if their size is given. */
  readonly rank: number;
  /** The size of the blocks, PEFT's `oft_block_size`; 0 if their number is given. */
  readonly blockSize: number;
  /** Whether all blocks of a layer are the same. */
  readonly oftBlockShare: boolean;
  /** Whether rotations come from a series instead of a linear system. */
  readonly oftCayleyNeumann: boolean;
  /** The terms of the series. */
  readonly oftCayleyTerms: number;
  /** Whether rotations stay near the identity (constrained OFT). */
  readonly oftCoft: boolean;
  /** How near. */
  readonly oftEps: number;
  /** PEFT 0.21 has a setting for it but never applies it; kept for the file. */
  readonly moduleDropout: number;
  /** Whether to initialize with zeros instead of normal values. */
  readonly initWeights: boolean;
}

export const oftConfig = (options: Partial<OftConfig>): OftConfig => ({
  ...TARGET_DEFAULTS,
  rank: options.blockSize ? 0 : 8,
  blockSize: 0,
  oftBlockShare: false,
  oftCayleyNeumann: true,
  oftCayleyTerms: 5,
  oftCoft: false,
  oftEps: 6e-5,
  moduleDropout: 0,
  initWeights: true,
  ...options,
  method: "oft",
});

/** The blocks of a layer: how many, and how large. */
export interface Blocks {
  readonly count: number;
  readonly size: number;
}

/**
 * The blocks of a layer. Where the number or the size does not divide the layer's width, PEFT takes the nearest one that does, the lower of two.
 * @throws BidoraError `ADAPTER_CONFIG` for blocks of size 1, which rotate nothing
 */
export function blocksOf(slot: Slot, { rank, blockSize }: OftConfig): Blocks {
  const width = widthOf(slot);
  const nearest = nearestDivisor(width, blockSize || rank);
  const [count, size] = blockSize > 0 ? [width / nearest, nearest] : [nearest, width / nearest];
  if (size > 1) return { count, size };
  const given = blockSize > 0 ? `a block size of ${blockSize}` : `${rank} blocks (--rank)`;
  throw new BidoraError(
    "ADAPTER_CONFIG",
    `${slot.path} has ${width} inputs, which ${given} split into single values, and these cannot be rotated: take fewer and larger blocks.`,
  );
}

/** The size of the vectors that a layer's adapter rotates: a linear layer's inputs, an embedding's outputs. */
export const widthOf = (slot: Slot): number => (slot.kind === "embedding" ? slot.out : slot.in);

/** The divisor of `width` that is nearest to `wanted`. */
function nearestDivisor(width: number, wanted: number): number {
  if (wanted >= width) return width;
  const divides = (n: number) => width % n === 0;
  let [lower, higher] = [wanted, wanted];
  while (!divides(lower)) lower -= 1;
  while (!divides(higher)) higher += 1;
  return wanted - lower <= higher - wanted ? lower : higher;
}

const count = z.int().min(0);

const KEYS = peftKeys("oft_only", {
  rank: ["r", 0, count],
  blockSize: ["oft_block_size", 32, count],
  oftBlockShare: ["block_share", false, z.boolean()],
  oftCayleyNeumann: ["use_cayley_neumann", true, z.boolean()],
  oftCayleyTerms: ["num_cayley_neumann_terms", 5, z.int()],
  oftCoft: ["coft", false, z.boolean()],
  oftEps: ["eps", 6e-5, z.number().gt(0)],
  moduleDropout: ["module_dropout", 0, z.number().min(0).max(1)],
  initWeights: ["init_weights", true, z.boolean()],
});

/** The keys of an OFT's adapter_config.json that not every type has, with their defaults. */
export const OFT_DEFAULTS: JsonObject = { ...TARGET_KEY_DEFAULTS, ...KEYS.defaults, fan_in_fan_out: false };

/** @throws BidoraError `ADAPTER_CONFIG` for what is malformed, or was written by a PEFT whose OFT was another one */
export function parseOftKeys(file: string, json: JsonObject): OftConfig {
  const why = refusedLayers(json);
  if (why !== undefined) throw refused(file, why);
  const config = oftConfig(KEYS.parse(file, json));
  const wrong = refusalOf(config, json);
  if (wrong !== undefined) throw refused(file, wrong);
  return config;
}

const refused = (file: string, why: string) => new BidoraError("ADAPTER_CONFIG", `${file}: ${why}.`);

function refusalOf(config: OftConfig, json: JsonObject): string | undefined {
  const { rank, blockSize, oftCayleyNeumann, oftCayleyTerms } = config;
  if (rank === 0 && blockSize === 0) return "r and oft_block_size are both 0: one of them must be above 0";
  if (rank > 0 && blockSize > 0)
    return `r is ${rank} and oft_block_size is ${blockSize}, but one follows from the other: one of them must be 0`;
  if (!oftCayleyNeumann) return undefined;
  if (oftCayleyTerms < 2)
    return `num_cayley_neumann_terms is ${oftCayleyTerms}, with which every rotation is the identity: it must be at least 2`;
  return isOlderThan018(json.peft_version)
    ? "it is from a PEFT before 0.18.0, whose Cayley-Neumann series was another one: train it again with a newer PEFT, or merge it in that one"
    : undefined;
}

/** PEFT writes its version since 0.18.0. */
function isOlderThan018(version: unknown): boolean {
  const [major, minor] = typeof version === "string" ? version.split(".").map(Number) : [];
  return major === undefined || minor === undefined || (major === 0 && minor < 18);
}

export const renderOftKeys = (config: OftConfig): JsonObject => KEYS.render(config);
