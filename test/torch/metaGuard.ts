// The meta device for tests: its tensors have shapes and no values. What reads values gets ones; what mixes devices, or makes a tensor on
// the CPU, is refused, which finds what would be on the wrong device on a GPU.
import { vi } from "vitest";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native/native.js";

/** Operators that move tensors from one device to another. */
const MOVES: ReadonlySet<string> = new Set(["aten::to.device", "aten::copy_"]);

/** Operators whose results are on the CPU on every device: the seed of a pass's dropout masks is drawn there. */
const HOST: ReadonlySet<string> = new Set(["aten::randint.generator"]);

type Handle = torch.Tensor["handle"];

const deviceOf = (handle: Handle): string => {
  const [, ...rest] = native.describe(handle);
  const last = rest.at(-1);
  return typeof last === "string" ? last : "cpu";
};

/** The devices of the handles among an operator's arguments or results. */
function devicesOf(types: readonly { readonly type: string }[], values: readonly unknown[]): Set<string> {
  const handles = types.flatMap(({ type }, i) =>
    type.startsWith("Tensor") ? [values[i]].flat().filter((value): value is Handle => typeof value === "number") : [],
  );
  return new Set(handles.map(deviceOf));
}

/** Watches every operator from here on, until it is released. */
export class MetaGuard {
  #isClosed = false;
  readonly #schemas = new Map<string, ReturnType<typeof native.operatorSchema>>();
  #reads = 0;
  readonly #call = native.call;
  readonly #fromBytes = native.fromBytes;

  constructor() {
    native.call = (index, ...args) => this.#checkedCall(torch.OPERATORS[index] as string, index, args);
    native.fromBytes = (...args) => {
      if (this.#isClosed && args[4] === undefined) throw new Error("a tensor was made from numbers on the CPU");
      return this.#fromBytes(...args);
    };
    this.#stubReaders();
  }

  /** Runs `body`, in which no tensor may be made on the CPU. @returns how often it read values of a tensor */
  async onMetaAlone(body: () => unknown): Promise<number> {
    this.#isClosed = true;
    this.#reads = 0;
    try {
      await body();
      return this.#reads;
    } finally {
      this.#isClosed = false;
    }
  }

  release(): void {
    native.call = this.#call;
    native.fromBytes = this.#fromBytes;
    vi.restoreAllMocks();
  }

  #checkedCall(operator: string, index: number, args: readonly unknown[]): unknown {
    const schema = this.#schemas.get(operator) ?? native.operatorSchema(operator);
    this.#schemas.set(operator, schema);
    const devices = devicesOf(schema.arguments, args);
    if (devices.size > 1 && !MOVES.has(operator))
      throw new Error(`${operator} has operands on ${[...devices].join(" and ")}`);
    const result = this.#call(index, ...args);
    const results = schema.returns.length > 1 ? (result as readonly unknown[]) : [result];
    if (this.#isClosed && !HOST.has(operator) && devicesOf(schema.returns, results).has("cpu"))
      throw new Error(`${operator} made a tensor on the CPU`);
    return result;
  }

  /** The ways to read a tensor's values give ones. */
  #stubReaders(): void {
    const { prototype } = torch.Tensor;
    const { item, toTypedArray } = prototype;
    const count = () => void this.#reads++;
    vi.spyOn(prototype, "item").mockImplementation(function (this: torch.Tensor) {
      if (this.device !== "meta") return item.call(this);
      count();
      return 1;
    });
    vi.spyOn(prototype, "toTypedArray").mockImplementation(function (this: torch.Tensor) {
      if (this.device !== "meta") return toTypedArray.call(this);
      count();
      return this.dtype === "int32" ? new Int32Array(this.numel).fill(1) : new Float32Array(this.numel).fill(1);
    });
  }
}
