// Training steps of packed language models, compared with dense ones, and with PEFT and bitsandbytes.

import { join } from "node:path";
import { type Cell, type Context, own, peft } from "../../context.js";
import { hasAmx } from "../../goals.js";
import type { Row } from "../../rows.js";
import { CHAT_ROWS, CHAT_TOKENS, writeChatRows } from "../../setup/chatRows.js";
import { compare, compareWorking, type Measured, type Side } from "../../turns/compare.js";
import type { OwnSpec, PeerPrecision } from "../../turns/protocol.js";
import { checkSameWork } from "../language.js";
import { cost, failure, memory, peftRows, speed } from "../stepRows.js";
import { packedEffort } from "./effort.js";
import { folderOf, ggufOf, ownEnvironment, type PackedModel, packedModelsOf, VOCABULARY } from "./models.js";

/** The fewest tokens for which a step with packed weights should take about as long as one with dense weights. */
const TOKENS = 256;

const METHODS = ["lora", "dora"] as const;
type Method = (typeof METHODS)[number];
const NAMES: Readonly<Record<Method, string>> = { lora: "LoRA", dora: "DoRA" };
/** w8a8 needs a processor with AMX. */
const formatsOf = ({ machine }: Context) =>
  ["nf4", "int8", "q8_0", ...(hasAmx(machine) ? (["w8a8"] as const) : [])] as const;

/** A model, and a method that trains it. */
interface Place {
  readonly context: Context;
  readonly model: PackedModel;
  readonly method: Method;
  readonly step: { readonly what: string; readonly setting: string };
  readonly cell: Cell;
  readonly folder: string;
}

/** The steps that are measured in each way; PEFT's DoRA takes long, so it is measured with the first model only. */
export function packedStepsOf(context: Context): readonly Step[] {
  const [first, ...others] = packedModelsOf(context) as [PackedModel, ...PackedModel[]];
  const dense = [first, ...others].flatMap((model) =>
    METHODS.map((method) => ({ model, method, beside: besideDense })),
  );
  const peers = [
    ...METHODS.map((method) => ({ model: first, method })),
    ...others.map((model) => ({ model, method: "lora" as const })),
  ];
  return [...dense, ...peers.map((step) => ({ ...step, beside: besidePeft }))];
}

/** A model, a method that trains it, and what it is compared with. */
interface Step {
  readonly model: PackedModel;
  readonly method: Method;
  readonly beside: (place: Place) => Promise<Row[]>;
}

export const stepName = ({ model, method, beside }: Step): string =>
  `${NAMES[method]} of ${model.name} ${beside === besidePeft ? "next to PEFT" : "with packed weights"}`;

export async function packedStep(context: Context, { model, method, beside }: Step): Promise<Row[]> {
  const data = join(context.scratch, "packed-rows.json");
  writeChatRows(data, VOCABULARY);
  const batchSize = (CHAT_ROWS * TOKENS) / CHAT_TOKENS;
  const place: Place = {
    ...{ context, model, method, folder: await folderOf(context, model) },
    step: { what: `${NAMES[method]} step`, setting: `${model.name}, all linear, ${TOKENS} tokens` },
    cell: { targets: "all-linear", data, batchSize, isInOrder: true },
  };
  return beside(place);
}

function ours({ context, cell, method, folder }: Place, base: Pick<OwnSpec, "baseDtype"> & { model?: string }): Side {
  const choice = { task: "train", method, precision: "bfloat16" } as const;
  const side = own(context, cell, choice, { model: folder, kind: "causal-lm", labels: 0, ...base });
  return { ...side, program: { ...side.program, environment: ownEnvironment(context) } };
}

async function besideDense(place: Place): Promise<Row[]> {
  const { context, model, step } = place;
  const formats = Object.fromEntries(formatsOf(context).map((baseDtype) => [baseDtype, ours(place, { baseDtype })]));
  const sides = await compare(
    {
      dense: ours(place, {}),
      ...formats,
      "Q4_K_M from a GGUF file": ours(place, { model: await ggufOf(context, model, "Q4_K_M") }),
    },
    packedEffort(context),
  );
  const { dense, ...packed } = sides;
  return Object.entries(packed).flatMap(([format, side]) => {
    const what = `${step.what}, ${format}`;
    const at = { ...step, against: "our bfloat16 weights" };
    return [
      cost({ ...at, what, goal: context.goals.packed.step }, side, dense),
      memory({ ...at, what: `${what}: peak memory` }, side, dense),
    ];
  });
}

async function besidePeft(place: Place): Promise<Row[]> {
  const { context } = place;
  const { working, failed } = await compareWorking(
    {
      autocast: theirs(place, "bfloat16-autocast"),
      weights: theirs(place, "bfloat16-weights"),
      nf4Peer: theirs(place, "bitsandbytes-nf4"),
      int8Peer: theirs(place, "bitsandbytes-int8"),
      nf4: ours(place, { baseDtype: "nf4" }),
      int8: ours(place, { baseDtype: "int8" }),
    },
    packedEffort(context),
  );
  const { autocast, weights, nf4, int8, nf4Peer, int8Peer } = working;
  if (!autocast || !weights || !nf4 || !int8)
    throw failed.autocast ?? failed.weights ?? failed.nf4 ?? (failed.int8 as Error);
  for (const side of [autocast, weights, nf4Peer, int8Peer]) if (side) checkSameWork(nf4, side);
  return [
    ...besideOne(place, { format: "nf4", ours: nf4, peer: nf4Peer ?? (failed.nf4Peer as Error), autocast, weights }),
    ...besideOne(place, {
      format: "int8",
      ours: int8,
      peer: int8Peer ?? (failed.int8Peer as Error),
      autocast,
      weights,
    }),
  ];
}

function theirs({ context, cell, method, folder }: Place, precision: PeerPrecision): Side {
  return peft(context, cell, { task: "train", method, precision }, { model: folder, kind: "causal-lm", labels: 0 });
}

/** Our packed side and those that it is compared with. */
interface Beside {
  readonly format: "nf4" | "int8";
  readonly ours: Measured;
  /** PEFT with bitsandbytes in the same format. */
  readonly peer: Measured | Error;
  readonly autocast: Measured;
  readonly weights: Measured;
}

function besideOne({ context, step }: Place, { format, ours, peer, autocast, weights }: Beside): Row[] {
  const what = `${step.what}, ${format}`;
  const peak = { ...step, what: `${what}: peak memory` };
  const goal = context.goals.packed.peft;
  const rows = [
    ...peftRows({ ...step, what, goal }, ours, { autocast, weights }),
    memory({ ...peak, against: "PEFT, bfloat16 weights" }, ours, weights),
  ];
  const name = `PEFT with bitsandbytes' ${format}${format === "nf4" ? ", double quantization" : ""}, on the CPU`;
  if (peer instanceof Error) return [...rows, failure({ ...step, what, against: name }, ours, peer)];
  return [...rows, speed({ ...step, what, against: name }, ours, peer), memory({ ...peak, against: name }, ours, peer)];
}
