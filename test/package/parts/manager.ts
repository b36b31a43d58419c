import { checkPrograms, healthy, quickstart } from "../checks.js";
import type { Manager } from "../managers.js";
import type { Place } from "../place.js";

/** Another package manager than npm: from nothing to a trained adapter. */
export async function checkManager(place: Place, manager: Manager): Promise<void> {
  const check = place.checks(manager.name);
  const user = place.user(manager.name, manager);
  await check(manager.install, async () => `${(await user.succeed(manager.install)).seconds.toFixed(0)} s`);
  await check("bidora doctor --json", () => healthy(user, `${manager.run} bidora`));
  await check("bidora quickstart --methods lora", async () => {
    const { seconds } = await quickstart(place, user, `${manager.run} bidora quickstart --methods lora`);
    return `${seconds.toFixed(0)} s`;
  });
  await checkPrograms(place, user, manager.name, manager.node);
}
