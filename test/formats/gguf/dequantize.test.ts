import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { dequantize, isReadable, READABLE_TYPES } from "../../../src/formats/gguf/elements.js";
import { openGguf } from "../../../src/formats/gguf/file.js";
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
