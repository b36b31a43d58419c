// The native library `tokenizers`: where it is, and the part of its API that is used.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, PLATFORM_PACKAGE, peerVersion, platformPackageFolder, require } from "../base/index.js";
import { type JsonObject, readOptionalJsonObject } from "../base/records/index.js";

// The library's own types do not compile, so no published type refers to them.

/** The tokens of one text or a pair. */
interface NativeEncoding {
  getLength(): number;
  getIds(): number[];
  getTypeIds(): number[];
  getOffsets(): number[][];
  /** The text that each token belongs to; null for special tokens. */
  getSequenceIds(): readonly (number | undefined | null)[];
}

interface NativeEncodeOptions {
  readonly addSpecialTokens?: boolean;
}

export interface NativeTokenizer {
  encode(text: string, pair?: string | null, options?: NativeEncodeOptions): Promise<NativeEncoding>;
  encodeBatch(texts: string[], options?: NativeEncodeOptions): Promise<NativeEncoding[]>;
  decode(ids: number[], skipSpecialTokens: boolean): Promise<string>;
  getVocab(): Record<string, number>;
  getVocabSize(withAddedTokens: boolean): number;
  idToToken(id: number): string | null;
  tokenToId(token: string): number | null;
}

/** Loads the library at its first use. */
export function createNative(text: string): NativeTokenizer {
  const { Tokenizer: Native } = require(findTokenizers().path) as typeof import("tokenizers");
  const native: NativeTokenizer = Native.fromString(text);
  return {
    encode: explained((...given) => native.encode(...given)),
    encodeBatch: explained((...given) => native.encodeBatch(...given)),
    decode: explained((...given) => native.decode(...given)),
    getVocab: () => native.getVocab(),
    getVocabSize: (withAddedTokens) => native.getVocabSize(withAddedTokens),
    idToToken: (id) => native.idToToken(id),
    tokenToId: (token) => native.tokenToId(token),
  };
}

/** The same call, whose failures are the tokenizer's: it may lack what a text needs, such as a token for unknown words. */
const explained =
  <Given extends unknown[], T>(call: (...given: Given) => Promise<T>) =>
  (...given: Given): Promise<T> =>
    call(...given).catch((cause: Error) => {
      const fault = `The tokenizer fails at a text: ${cause.message.replace(/\.$/, "")}. Check the tokenizer's files.`;
      throw new BidoraError("TOKENIZER", fault, { cause });
    });

/** A tokenizer.json for the library, without padding and truncation, which would apply to every encoding. */
export function nativeText(spec: JsonObject): string {
  return JSON.stringify({ ...spec, truncation: null, padding: null });
}

/** A build of the library, and how messages name it: the platform package has one platform's, the npm package those of all. */
interface Library {
  readonly path: string;
  readonly name: string;
  readonly version: string | undefined;
}

/**
 * The build to load: the platform package's, or else the npm package's.
 * @throws BidoraError `TOKENIZERS_MISSING` if neither has the version that this program is tested with
 */
export function findTokenizers(
  folder = platformPackageFolder(),
  resolve: (id: string) => string = require.resolve,
): Library {
  const version = peerVersion("tokenizers");
  const found = [inPlatformPackage(folder), inNpmPackage(resolve)].filter((library) => library !== undefined);
  const fitting = found.find((library) => library.version === version);
  if (fitting) return fitting;
  const others = found.map(
    (library) => `${library.name} has ${library.version ? `version ${library.version}` : "an unknown version"}`,
  );
  throw new BidoraError(
    "TOKENIZERS_MISSING",
    `The library tokenizers ${version} is not installed${others.length > 0 ? ` (${others.join(", ")})` : ""}: run \`npm install tokenizers@${version}\`.`,
  );
}

function inPlatformPackage(folder: string | undefined): Library | undefined {
  if (folder === undefined) return undefined;
  const path = join(folder, "tokenizers.node");
  if (!existsSync(path)) return undefined;
  const { tokenizers } = readOptionalJsonObject(join(folder, "engine.json"));
  return { path, name: PLATFORM_PACKAGE, version: typeof tokenizers === "string" ? tokenizers : undefined };
}

function inNpmPackage(resolve: (id: string) => string): Library | undefined {
  try {
    const { version } = require(resolve("tokenizers/package.json")) as { version: string };
    return { path: resolve("tokenizers"), name: "the npm package", version };
  } catch {
    return undefined;
  }
}
