import { npm } from "../managers.js";
import type { Place } from "../place.js";
import { oneSentence } from "../sentences.js";

/** A system where the package can't run: it says why. */
export async function checkRefusal(place: Place, refusal: RegExp): Promise<void> {
  const check = place.checks("npm");
  const user = place.user("npm");
  await check(npm.install, async () => `${(await user.succeed(npm.install)).seconds.toFixed(0)} s`);
  await check("bidora doctor", async () => oneSentence(await user.run(`${npm.run} bidora doctor`), refusal));
}
