import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { Printer, type Target } from "../../../src/app/cli/streams.js";

const failure = (code: string) => Object.assign(new Error(`${code}: of the test`), { code });

/** A stream that takes `room` texts; then `fail` decides what happens. */
function target(room: number, fail: (emitter: EventEmitter) => void): Target & { readonly taken: string[] } {
  const taken: string[] = [];
  const emitter = new EventEmitter();
  return Object.assign(emitter, {
    taken,
    writableLength: 0,
    write(text: string) {
      if (taken.length >= room) fail(emitter);
      else taken.push(text);
      return true;
    },
  });
}

test.each([
  [
    "throws",
    () => {
      throw failure("ENOSPC");
    },
  ],
  ["emits an error later", (emitter: EventEmitter) => process.nextTick(() => emitter.emit("error", failure("ENOSPC")))],
])("output to a stream that %s is lost, and reported at the end", async (_, fail) => {
  const stream = target(1, fail);
  const printer = new Printer(() => stream);
  for (const text of ["a", "b", "c"]) printer.write(text);
  expect(await printer.settled()).toMatchObject({ code: "ENOSPC" });
  printer.write("d");
  expect(stream.taken).toEqual(["a"]);
});

test("a stream that can't be opened ignores what is written", async () => {
  const printer = new Printer(() => {
    throw failure("EBADF");
  });
  printer.write("a");
  expect([printer.isTTY, printer.columns]).toEqual([false, undefined]);
  expect(await printer.settled()).toMatchObject({ code: "EBADF" });
});

test("nothing is reported as lost if everything was written", async () => {
  const printer = new Printer(() => target(9, () => {}));
  expect(await printer.settled()).toBeUndefined();
  printer.write("a");
  expect(await printer.settled()).toBeUndefined();
});
