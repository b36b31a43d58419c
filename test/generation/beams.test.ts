import { expect, test } from "vitest";
import { Beams } from "../../src/generation/beams.js";
import { type BeamSettings, GREEDY } from "../../src/generation/settings.js";

/** The token that ends, and two others. */
const [END, A, B] = [0, 1, 2];

/** A search whose next tokens' probabilities follow from the last token. */
function search(beams: BeamSettings, next: Readonly<Record<number, readonly number[]>>) {
  const settings = { ...GREEDY, endTokens: [END], beams };
  const running = new Beams({ ids: [9], maxNewTokens: 10 }, settings);
  const advance = () =>
    running.advance(
      running.sequences.map((ids) => Float32Array.from(next[ids.at(-1) as number] as readonly number[], Math.log)),
      undefined,
    );
  return { running, advance };
}

const ONE = { 9: [0.5, 0.4, 0.1], [A]: [0.9, 0.05, 0.05], [B]: [0.4, 0.3, 0.3] };
const TWO = { 9: [0.4, 0.35, 0.25], [A]: [0.35, 0.6, 0.05], [B]: [0.3, 0.4, 0.3] };

test("the heuristic takes what runs for as long as it is; never, for as long as it may become", async () => {
  const heuristic = search({ count: 1, lengthPenalty: 1, earlyStopping: false }, ONE);
  expect(await heuristic.advance()).toBeUndefined();
  expect(heuristic.running.best).toEqual({ tokens: [END], finish: "eos" });
  const patient = search({ count: 1, lengthPenalty: 1, earlyStopping: "never" }, ONE);
  expect(await patient.advance()).toEqual([0]);
  // 0.4 · 0.9 over two tokens is more than 0.5 over one.
  await patient.advance();
  expect(patient.running.best).toEqual({ tokens: [A, END], finish: "eos" });
});

test("where length makes scores worse, never takes what runs for as long as it is", async () => {
  const { running, advance } = search({ count: 2, lengthPenalty: -1, earlyStopping: "never" }, TWO);
  expect(await advance()).toEqual([0, 0]);
  expect(running.sequences).toEqual([
    [9, A],
    [9, B],
  ]);
  expect(await advance()).toEqual([0, 1]);
  expect(running.sequences).toEqual([
    [9, A, A],
    [9, B, A],
  ]);
});

test("where continuations are drawn, one that goes on is among them whatever tokens are left out", async () => {
  const sampling = { temperature: 1, topK: 1, topP: 1, minP: undefined };
  const settings = { ...GREEDY, endTokens: [0], sampling, beams: { count: 2, lengthPenalty: 1, earlyStopping: false } };
  const beams = new Beams({ ids: [7], maxNewTokens: 9, uniform: () => 0.5 }, settings);
  expect(await beams.advance([Float32Array.from([5, 4, 3, 2])], undefined)).toEqual([0, 0]);
  expect(beams.sequences[0]).toEqual([7, 1]);
});
