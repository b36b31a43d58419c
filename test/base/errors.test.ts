import { expect, test } from "vitest";
import { BidoraError, named, UsageError } from "../../src/base/errors.js";

test("a message is one line, whatever is in the names that it tells", () => {
  expect(new BidoraError("FILE", 'there is no tensor "a\r\nb\u001b[2J".').message).toBe(
    'there is no tensor "a\\x0d\\nb\\x1b[2J".',
  );
});

test("a long message keeps its start and its end", () => {
  const { message } = new UsageError(`The column ${"a".repeat(5000)} is unknown.`);
  expect(message).toMatch(/^The column a+…a+ is unknown\.$/);
  expect(message.length).toBeLessThanOrEqual(2000);
});

test("a message is composed of what was found and what to do, which an error in its place keeps", () => {
  const error = new BidoraError("LOSS", { finding: "The loss is infinite.", advice: "take a smaller one" });
  expect(error.message).toBe("The loss is infinite: take a smaller one.");
  error.prefix("Step 3: ");
  expect(error.message).toBe("Step 3: The loss is infinite: take a smaller one.");
  const other = { ...error.parts, joint: ";", advice: "leave it" } as const;
  expect(new BidoraError("LOSS", other).message).toBe("Step 3: The loss is infinite; leave it.");
  expect(new BidoraError("FILE", "There is no file.").parts).toEqual({ finding: "There is no file." });
});

test("a named computation puts its name in front of the message of its error, of the same kind", () => {
  const failing = (error: Error) => () =>
    named("chat", () => {
      throw error;
    });
  expect(failing(new UsageError("Unknown flag."))).toThrow(new UsageError("chat: Unknown flag."));
  expect(failing(new Error("no"))).toThrow(new Error("no"));
});
