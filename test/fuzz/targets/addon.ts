// The native addon's functions, called with anything: they may throw whatever they like, but not end the process.
import fc from "fast-check";
import { ones, scope } from "../../../src/torch/index.js";
import type { Native } from "../../../src/torch/native/interface.js";
import { native } from "../../../src/torch/native/native.js";
import { type Input, target } from "../target.js";

/** Those that are left out: they change the whole process or open what their callers close, and these check what they get. */
const LEFT_OUT: readonly (keyof Native)[] = [
  "setThreads",
  "setErrorFactory",
  "setIsaVariant",
  "setGradEnabled",
  "newSharedMemory",
  "joinGroup",
];

/** An argument: a JSON value, or `{ a: kind, size }` for what JSON does not have. */
const KINDS = [
  "tensor",
  "released",
  "bytes",
  "doubles",
  "floats",
  "bigint",
  "function",
  "symbol",
  "undefined",
  "proxy",
  "detached",
  "NaN",
] as const;

const argument: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ a: fc.constantFrom(...KINDS), size: fc.integer({ min: 0, max: 70 }) }),
  fc.constantFrom<Input>(
    0,
    1,
    -1,
    0.5,
    2 ** 24,
    2 ** 31,
    2 ** 53,
    1e300,
    "",
    "float32",
    "bool",
    "aten::neg",
    "x",
    true,
    false,
    null,
  ),
  fc.constantFrom<Input>([], [1], [2, 2], [-1], [2 ** 52, 2 ** 52], ["aten::neg"], [null], [0, [1]], {}, { handle: 0 }),
  fc.array(fc.record({ a: fc.constantFrom("tensor", "released", "NaN" as const), size: fc.constant(0) }), {
    maxLength: 3,
  }),
);

const throwing = (): never => {
  throw new Error("a getter that throws");
};

function decoded(given: Input): unknown {
  if (Array.isArray(given)) return given.map(decoded);
  if (typeof given !== "object" || given === null || !("a" in given)) return given;
  const { a, size } = given as { a: (typeof KINDS)[number]; size: number };
  switch (a) {
    case "tensor":
      return ones([size % 4, 2]).handle;
    case "released":
      return released;
    case "bytes":
      return new Uint8Array(size);
    case "doubles":
      return new Float64Array(size).fill(size * 1e6);
    case "floats":
      return new Float32Array(size);
    case "bigint":
      return 2n ** BigInt(size);
    case "function":
      return throwing;
    case "symbol":
      return Symbol("x");
    case "proxy":
      return new Proxy([1], { get: throwing });
    case "detached":
      return detached(size);
    case "NaN":
      return Number.NaN;
    default:
      return undefined;
  }
}

/** A handle that refers to nothing any more. */
let released = 0;

function detached(size: number): Uint8Array {
  const bytes = new Uint8Array(size + 1);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Releases the handles in a result; a number that is none does no harm. */
function release(result: unknown): void {
  if (typeof result === "number") native.releaseOne(result);
  else if (Array.isArray(result)) result.forEach(release);
  else if (typeof result === "object" && result !== null && "handle" in result) release(result.handle);
}

const NAMES = (): (keyof Native)[] => {
  native.liveHandles(); // loads the addon, whose functions are then this object's own
  return (Object.keys(native) as (keyof Native)[]).filter((name) => !LEFT_OUT.includes(name)).sort();
};

/** File descriptors that no file has. */
const FILES: Readonly<Partial<Record<keyof Native, number>>> = { readFile: 2, writeFile: 1 };

const addon = target({
  name: "addon",
  inTests: 30,
  inputs: fc.array(fc.record({ function: fc.nat(60), arguments: fc.array(argument, { maxLength: 6 }) }), {
    minLength: 1,
    maxLength: 8,
  }),
  run: (calls) =>
    scope(() => {
      released = scope(() => ones([1]).handle);
      const names = NAMES();
      for (const call of calls) {
        const name = names[call.function % names.length] as keyof Native;
        const given = call.arguments.map(decoded);
        const file = FILES[name];
        if (file !== undefined) given[file] = 2 ** 30;
        try {
          release((native[name] as (...given: unknown[]) => unknown)(...given));
        } catch {
          // Whatever it throws, the process goes on.
        }
      }
      for (const end of [() => native.stopTape(), () => native.stopProfile(), () => native.stopPart([])])
        try {
          release(end());
        } catch {
          // It was not running.
        }
    }),
});

export const addonTargets = [addon];
