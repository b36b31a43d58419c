import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { dequantize, isReadable, READABLE_TYPES } from "../../../src/formats/gguf/dequantize.js";
import { openGguf } from "../../../src/formats/gguf/file.js";
import { halfBits, halfValues } from "../../../src/formats/gguf/quantize.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { GOLDEN } from "../../support/golden.js";

const golden = (name: string) => join(GOLDEN, `io/gguf/${name}`);
const file = openGguf(golden("types.gguf"));
const truth = openSafetensors(golden("types.safetensors"));
afterAll(() => {
  file.close();
  truth.close();
});

describe("dequantize", () => {
  it.each(READABLE_TYPES)("gives the same bits as the Python package for %s", (type) => {
    const info = file.info(type);
    expect(info.type).toBe(type);
    expect(info.shape).toEqual(truth.info(type).shape);
    if (!isReadable(info.type)) throw new Error(`${type} can't be read`);
    const values = dequantize(info.type, file.readBytes(type));
    const expected = new Int32Array(truth.readBytes(type).buffer);
    expect(new Int32Array(values.buffer)).toEqual(expected);
  });

  it("does not claim to read IQ4_NL and Q2_K", () => {
    expect(isReadable("IQ4_NL")).toBe(false);
    expect(isReadable("Q2_K")).toBe(false);
  });
});

describe("float16", () => {
  it("survives a round trip through float32 for every value", () => {
    const values = halfValues();
    const isNumber = (bits: number) => (bits & 0x7fff) <= 0x7c00;
    for (let bits = 0; bits < 2 ** 16; bits++) {
      if (isNumber(bits) && halfBits(values[bits]!) !== bits) expect.fail(`${bits} becomes ${halfBits(values[bits]!)}`);
    }
    expect(values[0x3c00]).toBe(1);
    expect(values[1]).toBe(2 ** -24);
    expect(values[0xfbff]).toBe(-65504);
  });

  it("rounds ties to even", () => {
    expect(halfBits(1 + 2 ** -11)).toBe(0x3c00);
    expect(halfBits(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(halfBits(65520)).toBe(0x7c00);
    expect(halfBits(65519.9)).toBe(0x7bff);
    expect(halfBits(2 ** -25)).toBe(0);
    expect(halfBits(3 * 2 ** -25)).toBe(2);
    expect(halfBits(-Infinity)).toBe(0xfc00);
    expect(halfBits(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  });
});
