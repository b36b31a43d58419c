import * as ort from "onnxruntime-node";

/** A tensor of a graph, as numbers. */
export interface Values {
  readonly data: readonly number[];
  readonly dims: readonly number[];
}

/** Keys and values by the names of a graph's inputs. */
export type Cache = Readonly<Record<string, ort.Tensor>>;

/** A row for a batch: token ids, or null for padding. */
export type PaddedRow = readonly (number | null)[];

/** Runs a decoder's graph in ONNX Runtime. */
export class DecoderSession {
  private constructor(private readonly session: ort.InferenceSession) {}

  static async open(path: string): Promise<DecoderSession> {
    return new DecoderSession(await ort.InferenceSession.create(path, { logSeverityLevel: 4, intraOpNumThreads: 1 }));
  }

  get outputNames(): readonly string[] {
    return this.session.outputNames;
  }

  get inputNames(): readonly string[] {
    return this.session.inputNames;
  }

  /** @param rows the new tokens @param before which of the cached ones were tokens, by row */
  async run(
    rows: readonly PaddedRow[],
    before: readonly (readonly boolean[])[] = rows.map(() => []),
    cache: Cache = this.emptyCache(rows.length),
  ): Promise<{ logits: Values; cache: Cache }> {
    const masks = rows.map((row, i) => [...(before[i] as readonly boolean[]), ...row.map((id) => id !== null)]);
    const feeds: Record<string, ort.Tensor> = {
      ...cache,
      input_ids: int64(rows.map((row) => row.map((id) => id ?? 1))),
      attention_mask: int64(masks.map((mask) => mask.map(Number))),
    };
    if (this.inputNames.includes("position_ids"))
      feeds.position_ids = int64(masks.map((mask, i) => positions(mask).slice(-(rows[i] as PaddedRow).length)));
    const outputs = await this.session.run(feeds);
    const present = Object.entries(outputs).filter(([name]) => name.startsWith("present."));
    const { data, dims } = outputs.logits as ort.Tensor;
    return {
      logits: { data: Array.from(data as Float32Array), dims },
      cache: Object.fromEntries(present.map(([name, value]) => [name.replace("present", "past_key_values"), value])),
    };
  }

  private emptyCache(rows: number): Cache {
    const { inputMetadata } = this.session;
    const cached = inputMetadata.filter(({ name }) => name.startsWith("past_key_values."));
    return Object.fromEntries(
      cached.map((meta) => {
        const [, heads, , size] = (meta as { readonly shape: readonly (number | string)[] }).shape;
        return [meta.name, new ort.Tensor("float32", new Float32Array(0), [rows, heads as number, 0, size as number])];
      }),
    );
  }
}

/** As transformers makes them from a mask. */
function positions(mask: readonly boolean[]): number[] {
  let count = 0;
  return mask.map((isToken) => (isToken ? count++ : 1));
}

const int64 = (rows: readonly (readonly number[])[]): ort.Tensor =>
  new ort.Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [
    rows.length,
    (rows[0] as readonly number[]).length,
  ]);
