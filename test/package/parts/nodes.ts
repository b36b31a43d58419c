import { healthy } from "../checks.js";
import type { Place } from "../place.js";
import { printed } from "../project.js";

/** One addon for these. */
const VERSIONS = [20, 22, 24];

/** The installed package with each version of Node. */
export async function checkNodes(place: Place): Promise<void> {
  for (const version of VERSIONS) {
    const check = place.checks(`node ${version}`);
    const node = `/opt/tools/node_modules/node${version}/bin/node`;
    await check("bidora doctor --json", async () =>
      healthy(await place.installed(), `${node} node_modules/bidora/bin/bidora.js`),
    );
    for (const program of ["app.mjs", "app.cjs"])
      await check(program, async () => {
        printed((await (await place.installed()).succeed(`${node} ${program}`)).stdout);
        return undefined;
      });
  }
}
