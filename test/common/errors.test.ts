import { expect, test } from "vitest";
import { BidoraError, UsageError } from "../../src/common/errors.js";

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
