import { npm } from "../managers.js";
import type { Place } from "../place.js";
import { printed } from "../project.js";
import type { User } from "../session.js";

/** Ways in which TypeScript finds the package's types. */
const RESOLUTIONS = [
  ["nodenext", "nodenext"],
  ["node16", "node16"],
  ["esnext", "bundler"],
] as const;

/** The TypeScript project compiles with each, and its program runs. */
export async function checkTypes(place: Place, user: User): Promise<void> {
  const check = place.checks("npm");
  for (const [module, resolution] of RESOLUTIONS)
    await check(`tsc --strict --moduleResolution ${resolution}`, async () => {
      const flags = `--target es2023 --lib es2023,dom --module ${module} --moduleResolution ${resolution}`;
      await user.succeed(`rm -f app.js && tsc --strict ${flags} app.ts`);
      printed((await user.succeed(`${npm.node} app.js`)).stdout);
      return undefined;
    });
}
