/** The vocabulary's table in 4 bits: its rows in onnxruntime, and what is in the file. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import * as torch from "../../../../src/torch/index.js";
import { toInt4Blocks } from "../../../../src/use/export/onnx/dtypes/int4Blocks.js";
import { ONNX_DTYPES } from "../../../../src/use/export/onnx/dtypes.js";
import { GraphBuilder } from "../../../../src/use/export/onnx/graph/builder.js";
import type { Graph, Value } from "../../../../src/use/export/onnx/graph/graph.js";
import { MOST_BYTES, writeGraph } from "../../../../src/use/export/onnx/graph/writeGraph.js";
import { freshPath } from "../../../support/workFolder.js";

const ROWS = 37;
const IDS = [
  [3, 0, 36],
  [1, 1, 2],
] as const;
const AXES = ["b", "s"] as const;
const DTYPES = ["q4", "q4f16"] as const;

/** A table with a row of zeros (1), a row of which one block is zeros (2), and rows of very different sizes. */
function tableOf(width: number): Float32Array {
  const values = Float32Array.from({ length: ROWS * width }, (_, i) => Math.sin(i * 12.9898) * 2 ** (i % 7));
  return values.map((value, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    if (row === 1 || (row === 2 && column >= width - (width % 32 || 32))) return 0;
    return row === 3 ? value * 1e-3 : value;
  });
}

/** Looks up rows, and multiplies them with the table if it is tied. */
function graphOf(width: number, isTied: boolean, ids = "input_ids"): Graph {
  const g = new GraphBuilder();
  const values = tableOf(width);
  const tensor = () => torch.tensor(values, [ROWS, width]);
  const table = g.initializer({ name: "table", dtype: "float32", shape: [ROWS, width], tensor });
  const rows = g.gather(table, g.input(ids, "int64", AXES));
  g.output("rows", rows, "float32", [...AXES, width]);
  if (isTied) g.output("logits", g.matMul(rows, g.transpose(table, [1, 0]) as Value), "float32", [...AXES, ROWS]);
  return g.graph;
}

async function outputsOf(graph: Graph, ids = "input_ids"): Promise<Readonly<Record<string, Float32Array>>> {
  const path = freshPath("graph.onnx");
  writeGraph(path, graph, MOST_BYTES);
  const session = await InferenceSession.create(path, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const feeds = { [ids]: new Tensor("int64", BigInt64Array.from(IDS.flat(), BigInt), [2, 3]) };
  const outputs = await session.run(feeds);
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
}

/** The rows of all ids, one after the other. */
const picked = (table: Float32Array, width: number): number[] =>
  IDS.flat().flatMap((id) => [...table.subarray(id * width, (id + 1) * width)]);

/** The values that the emulation has for a table. */
const emulated = (dtype: (typeof DTYPES)[number], width: number): Float32Array => {
  const { table } = ONNX_DTYPES[dtype].arithmetic;
  return table?.(torch.tensor(tableOf(width), [ROWS, width]), true)?.toTypedArray() as Float32Array;
};

/** The same rows by ONNX Runtime's own operator, from the same bytes. */
function gatheredByRuntime(width: number): Promise<Readonly<Record<string, Float32Array>>> {
  const blocks = Math.ceil(width / 32);
  const made = toInt4Blocks(torch.tensor(tableOf(width), [ROWS, width]), "float32");
  const [ofCodes, ofScales] = [
    [ROWS, blocks * 16],
    [ROWS, blocks],
  ];
  const graph: Graph = {
    inputs: [{ name: "input_ids", dtype: "int64", shape: AXES }],
    outputs: [{ name: "rows", dtype: "float32", shape: [...AXES, blocks * 32] }],
    initializers: [
      { name: "codes", dtype: "uint8", shape: ofCodes, tensor: () => torch.tensor(made.codes, ofCodes) },
      { name: "scales", dtype: "float32", shape: ofScales, tensor: () => torch.tensor(made.scales, ofScales) },
    ],
    nodes: [
      {
        name: "lookup",
        operator: "GatherBlockQuantized",
        domain: "com.microsoft",
        inputs: ["codes", "input_ids", "scales"],
        outputs: ["rows"],
        attributes: { gather_axis: { int: 0 }, quantize_axis: { int: 1 }, block_size: { int: 32 } },
      },
    ],
    operatorSets: new Map([
      ["", 17],
      ["com.microsoft", 1],
    ]),
  };
  return outputsOf(graph);
}

describe.each([18, 32, 48, 96, 100])("rows of width %i", (width) => {
  it.each(DTYPES)("are those of the emulation, bit by bit: %s", async (dtype) => {
    const { rows } = await outputsOf(ONNX_DTYPES[dtype].convert(graphOf(width, false)));
    expect([...(rows as Float32Array)]).toEqual(picked(emulated(dtype, width), width));
  });

  it("are those of ONNX Runtime's GatherBlockQuantized", async () => {
    const filled = 32 * Math.ceil(width / 32);
    const { rows: expected } = await gatheredByRuntime(width);
    const { rows } = await outputsOf(ONNX_DTYPES.q4.convert(graphOf(width, false)));
    const cut = (expected as Float32Array).filter((_, i) => i % filled < width);
    expect([...(rows as Float32Array)]).toEqual([...cut]);
  });

  it.each(DTYPES)(
    "differ by at most an eighth of their block's largest magnitude, and zeros stay zeros: %s",
    async (dtype) => {
      const [exact, { rows }] = [tableOf(width), await outputsOf(ONNX_DTYPES[dtype].convert(graphOf(width, false)))];
      const expected = picked(exact, width);
      for (const [i, value] of (rows as Float32Array).entries()) {
        const start = i - (i % width) + 32 * Math.floor((i % width) / 32);
        const block = expected.slice(start, Math.min(start + 32, i - (i % width) + width));
        const largest = Math.max(...block.map(Math.abs));
        expect(Math.abs(value - (expected[i] as number))).toBeLessThanOrEqual(largest * (1 / 8 + 2 ** -10));
      }
    },
  );

  it.each(DTYPES)("and a tied output use one copy of the table: %s", async (dtype) => {
    const graph = ONNX_DTYPES[dtype].convert(graphOf(width, true));
    const ofTable = graph.initializers.filter(({ shape }) => shape[0] === ROWS).map(({ dtype: type }) => type);
    expect(ofTable).toEqual(["uint8", dtype === "q4" ? "float32" : "float16"]);
    const { rows, logits } = await outputsOf(graph);
    const table = emulated(dtype, width);
    expect([...(rows as Float32Array)]).toEqual(picked(table, width));
    const states = torch.tensor(rows as Float32Array, [IDS.flat().length, width]);
    const expected = torch.matmul(states, torch.t(torch.tensor(table, [ROWS, width]))).toTypedArray() as Float32Array;
    const range = Math.max(...expected) - Math.min(...expected);
    const differences = expected.map((value, i) => Math.abs(value - (logits as Float32Array)[i]!));
    expect(Math.max(...differences) / range).toBeLessThan(dtype === "q4" ? 1e-6 : 2e-3);
  });
});

it("a table that ids of tokens don't look up stays as it is", async () => {
  const { rows } = await outputsOf(ONNX_DTYPES.q4.convert(graphOf(48, false, "positions")), "positions");
  expect([...(rows as Float32Array)]).toEqual(picked(tableOf(48), 48));
});

it("a scale that float16 can't hold is refused", () => {
  const graph = graphOf(32, false);
  const large = graph.initializers.map((own) => ({ ...own, tensor: () => torch.mulScalar(own.tensor(), 1e6) }));
  const converted = ONNX_DTYPES.q4f16.convert({ ...graph, initializers: large });
  expect(() => writeGraph(freshPath("graph.onnx"), converted, MOST_BYTES)).toThrow(
    /table\.scale .* not finite in float16/,
  );
});

it.each(DTYPES)("a value that is not a number is refused, wherever it is in its block: %s", (dtype) => {
  for (const at of [0, 31, 32 * ROWS - 1]) {
    const values = tableOf(32);
    values[at] = Number.NaN;
    const graph = graphOf(32, false);
    const broken = graph.initializers.map((own) => ({ ...own, tensor: () => torch.tensor(values, [ROWS, 32]) }));
    const converted = ONNX_DTYPES[dtype].convert({ ...graph, initializers: broken });
    expect(() => writeGraph(freshPath("graph.onnx"), converted, MOST_BYTES)).toThrow(/table\.scale .* not finite in/);
  }
});

it("looks up scales with ids of another shape than the positions', whose buffer transformers.js 3 overwrites on a GPU", () => {
  const { nodes } = ONNX_DTYPES.q4.convert(graphOf(32, false));
  const lookup = nodes.find(({ inputs }) => inputs[0] === "table.scale");
  expect(nodes.find(({ outputs }) => outputs[0] === lookup?.inputs[1])?.operator).toBe("Unsqueeze");
});
