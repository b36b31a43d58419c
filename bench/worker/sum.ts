// A rank that does nothing but sum tensors. Arguments: bytes, and how often. Rank 0 prints the seconds of each sum.
import { joinRanks, placeOf, tensor } from "../../src/torch/index.js";

const [bytes, count] = process.argv.slice(2).map(Number) as [number, number];
const ranks = await joinRanks(placeOf(process.env), 120);
const gradients = tensor(new Float32Array(bytes / 4));
for (let i = 0; i <= count; i++) {
  ranks.any(false); // all begin together
  const began = performance.now();
  for (const sum of ranks.sum([gradients])) sum.dispose();
  const seconds = (performance.now() - began) / 1000;
  if (ranks.rank === 0 && i > 0) process.stdout.write(`${seconds}\n`);
}
ranks.leave();
