import { healthy } from "../checks.js";
import { INSTALL_OPTIONAL, INSTALL_WITHOUT_OPTIONAL } from "../managers.js";
import type { Place } from "../place.js";
import { oneSentence } from "../sentences.js";

/** npm without optional dependencies: one sentence instead of an engine, and what it says helps. */
export async function checkOmitted(place: Place): Promise<void> {
  const check = place.checks("omitted");
  const user = place.user("omitted");
  await check("npm install --omit=optional bidora", async () => {
    await user.succeed(INSTALL_WITHOUT_OPTIONAL);
    return undefined;
  });
  await check("bidora doctor", async () =>
    oneSentence(
      await user.run("npx --no -- bidora doctor"),
      /@bidora\/linux-x64-gnu, .* optional dependencies were left out: run `npm install --include=optional`/,
    ),
  );
  await check("npm install --include=optional", async () => {
    await user.succeed(INSTALL_OPTIONAL);
    return healthy(user);
  });
}
