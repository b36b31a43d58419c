import { afterEach } from "vitest";
import { FakeHub } from "./fakeHub.js";

/** Starts a new fake Hub for each test. */
export function fakeHubs(): () => Promise<{ hub: FakeHub; endpoint: string }> {
  const started: FakeHub[] = [];
  afterEach(() => {
    for (const hub of started.splice(0)) hub.stop();
  });
  return async () => {
    const hub = new FakeHub();
    started.push(hub);
    return { hub, endpoint: await hub.start() };
  };
}
