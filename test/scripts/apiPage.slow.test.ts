// The page of the library's interface: TypeDoc warns of what a public signature names and index.ts does not export.
import { expect, test } from "vitest";
import { typedoc } from "./typedoc.js";

test("every public symbol is documented, and refers to public types only", () => {
  const { status, said } = typedoc();
  expect(said).not.toContain("[warning]");
  expect([status, said]).toEqual([0, expect.any(String)]);
});
