// Inputs that are nearly right: mutated bytes, texts and JSON.
import fc from "fast-check";

/** Bytes as a string, as inputs hold them. */
export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const WORDS = [0, 1, 7, 8, 31, 32, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** A change of some bytes of a text; places are fractions of its length, so that they fit every text. */
type Change = (text: string) => string;

const place = fc.double({ min: 0, max: 1, noNaN: true });
const at = (text: string, where: number): number => Math.min(text.length, Math.floor(where * (text.length + 1)));
const replaced = (text: string, from: number, count: number, by: string): string =>
  text.slice(0, from) + by + text.slice(from + count);

/** An integer of 4 or 8 bytes, little-endian. */
function integerBytes(value: number, bytes: 4 | 8): string {
  const buffer = Buffer.alloc(bytes, value === 0xffffffff ? 0xff : 0);
  buffer.writeUInt32LE(value);
  return buffer.toString("latin1");
}

const character = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const odd = fc.oneof(
  character,
  fc.constantFrom(
    "\0",
    "\n",
    "\r",
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "-",
    "9",
    "<",
    ">",
    "&",
    "\xff",
    "\xef\xbb\xbf",
  ),
  fc
    .tuple(fc.constantFrom(...WORDS), fc.constantFrom(4 as const, 8 as const))
    .map(([value, size]) => integerBytes(value, size)),
  fc.constantFrom("null", "true", "1e999", "-1", "9007199254740993", "__proto__", "constructor", "\\ud800", "\\u0000"),
);

const CHANGES: readonly fc.Arbitrary<Change>[] = [
  fc.tuple(place, odd).map(
    ([where, by]) =>
      (text) =>
        replaced(text, at(text, where), by.length, by),
  ),
  fc.tuple(place, odd).map(
    ([where, by]) =>
      (text) =>
        replaced(text, at(text, where), 0, by),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 40 })).map(
    ([where, count]) =>
      (text) =>
        replaced(text, at(text, where), count, ""),
  ),
  fc.tuple(place, place, fc.integer({ min: 1, max: 60 })).map(([from, to, count]) => (text) => {
    const piece = text.slice(at(text, from), at(text, from) + count);
    return replaced(text, at(text, to), 0, piece);
  }),
  place.map((where) => (text) => text.slice(0, at(text, where))),
  fc.tuple(place, fc.integer({ min: 2, max: 3000 })).map(
    ([where, count]) =>
      (text) =>
        replaced(text, at(text, where), 0, (text[at(text, where)] ?? "a").repeat(count)),
  ),
];

const changed = (base: string, changes: readonly Change[]): string =>
  changes.reduce((text, change) => change(text), base);

/** One of some texts after a few changes of its bytes. @param head the share of the text that most changes are in */
export const mutatedText = (bases: readonly string[], head = 1): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...bases),
      fc.array(fc.oneof(...CHANGES), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 0, max: 3 }),
    )
    .map(([base, changes, where]) => {
      const end = where === 0 ? base.length : Math.ceil(base.length * head);
      return changed(base.slice(0, end), changes) + base.slice(end);
    });

/** Deep enough for recursions to fail. */
const DEEP = 20_000;
const deep = (open: string, close: string): string => open.repeat(DEEP) + close.repeat(DEEP);

/** A part of JSON text that is put in as it is. */
class Raw {
  constructor(readonly text: string) {}
}

const ODD_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 2, 7, 1.5, 1e308, -1e-320, 2 ** 31, 2 ** 32, 2 ** 53, 1e15],
  ...[
    "",
    " ",
    "x",
    "\0",
    "\n",
    "__proto__",
    "constructor",
    "toString",
    "../x",
    "/dev/null",
    "é",
    "\ud800",
    "a".repeat(5000),
  ],
  ...[[], {}, [[]], [null], [1, 2], [0], ["a"], { a: 1 }, { __proto__x: 1 }, [{}], [[1], [2]], { 0: 0 }],
  ...[new Raw("1e999"), new Raw("-0"), new Raw('{"__proto__": {"x": 1}}'), new Raw("12345678901234567890")],
  ...[new Raw(deep("[", "]")), new Raw(deep('{"a":', "}").replace("}", "1}"))],
];

const oddValue = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ODD_VALUES) }, fc.jsonValue({ maxDepth: 2 }));

/** A change of a JSON value: how, at which of its parts (a fraction), and a new value. */
interface JsonChange {
  readonly how: "replace" | "remove" | "rename" | "wrap" | "double" | "add" | "number";
  readonly where: number;
  readonly value: unknown;
}

const jsonChange: fc.Arbitrary<JsonChange> = fc.record({
  how: fc.constantFrom("replace", "replace", "replace", "remove", "rename", "wrap", "double", "add", "number"),
  where: place,
  value: oddValue,
});

type Holder = { [key: string]: unknown };

/** Every place in a value: the object or list that holds it, and its key. */
function places(root: Holder): [Holder, string][] {
  const found: [Holder, string][] = [];
  const visit = (holder: Holder): void => {
    for (const key of Object.keys(holder)) {
      found.push([holder, key]);
      const value = holder[key];
      if (typeof value === "object" && value !== null && !(value instanceof Raw)) visit(value as Holder);
    }
  };
  visit(root);
  return found;
}

function applyChange(root: Holder, { how, where, value }: JsonChange): void {
  const all = places(root);
  const [holder, key] = all[Math.min(all.length - 1, Math.floor(where * all.length))] as [Holder, string];
  const old = holder[key];
  if (how === "remove" && holder !== root) Array.isArray(holder) ? holder.splice(Number(key), 1) : delete holder[key];
  else if (how === "rename" && holder !== root && !Array.isArray(holder)) {
    delete holder[key];
    define(holder, typeof value === "string" ? value : `${key}s`, old);
  } else if (how === "wrap") holder[key] = [old];
  else if (how === "double" && Array.isArray(holder)) holder.push(old);
  else if (how === "add" && typeof old === "object" && old !== null && !Array.isArray(old))
    define(old as Holder, "x", value);
  else if (how === "number" && typeof old === "number") holder[key] = typeof value === "number" ? value : old * 1e6 + 1;
  else if (how === "replace") holder[key] = value;
}

const define = (holder: Holder, key: string, value: unknown): void => {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
};

/** JSON text, with raw parts as they are. */
function textOf(value: unknown): string {
  const raws: string[] = [];
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (!(part instanceof Raw)) return part;
    raws.push(part.text);
    return `raw:${raws.length - 1}`;
  });
  return Buffer.from(text.replace(/"raw:(\d+)"/g, (_, i: string) => raws[Number(i)] as string)).toString("latin1");
}

/** The text of one of some JSON values after a few changes of its parts. */
export const mutatedJson = (bases: readonly unknown[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...bases.map((base) => JSON.stringify(base))),
      fc.array(jsonChange, { minLength: 1, maxLength: 4 }),
    )
    .map(([base, changes]) => {
      const root: Holder = { root: JSON.parse(base) as unknown };
      for (const change of changes) applyChange(root, structuredCloneOf(change));
      return textOf(root.root ?? null);
    });

/** A change whose value is its own, as later changes may alter it. */
const structuredCloneOf = (change: JsonChange): JsonChange => ({
  ...change,
  value:
    change.value instanceof Raw || change.value === undefined ? change.value : JSON.parse(JSON.stringify(change.value)),
});

/** The same of JSON values, mostly by their parts, else by their bytes. @param bases JSON texts */
export const mutatedJsonText = (bases: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: mutatedJson(bases.map((base) => JSON.parse(Buffer.from(base, "latin1").toString()) as unknown)),
    },
    { weight: 1, arbitrary: mutatedText(bases) },
  );

/** Files by path. */
export type Files = { readonly [path: string]: string };

/** A folder of golden files in which some are replaced. */
export type Folder = { readonly base: string; readonly files: Files };

/**
 * One of some folders with one or two of its files mutated.
 * @param bases the files by the name of the base
 * @param mutate a file, or leaves it as it is if this is undefined
 */
export const mutatedFolder = (
  bases: ReadonlyMap<string, Files>,
  mutate: (path: string, content: string) => fc.Arbitrary<string> | undefined,
): fc.Arbitrary<Folder> =>
  fc.oneof(
    ...[...bases].flatMap(([base, files]) => {
      const choices = Object.entries(files).flatMap(([path, content]) => {
        const arbitrary = mutate(path, content);
        return arbitrary ? [arbitrary.map((text): Files => ({ [path]: text }))] : [];
      });
      if (choices.length === 0) return [];
      const one = fc.oneof(...choices);
      const few = fc.oneof(
        one,
        one,
        fc.tuple(one, one).map(([a, b]): Files => ({ ...a, ...b })),
      );
      return [few.map((changed): Folder => ({ base, files: changed }))];
    }),
  );
