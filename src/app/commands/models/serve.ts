/** `bidora serve`: answers requests by OpenAI's protocol. */
import { once } from "node:events";
import { requirePort } from "../../../base/index.js";
import { type Given, group, pick, type Settings, text, texts, whole } from "../../../base/settings/index.js";
import {
  baseModel,
  conversations,
  generationOptions,
  plainPooling,
  rowOptions,
  session,
} from "../../../tasks/config/index.js";
import { disposeServed, listen, openServed, originOf, type RunningServer } from "../../../use/server/index.js";
import { type Context, checkedCall, defineCommand, HUB_HOOKS, type HubHooks } from "../command.js";

const model = group("Model");
const server = group("Server");

const { appliesWhen: _, ...draft } = generationOptions.draft;

const options = {
  ...pick(baseModel, "model", "revision"),
  adapter: model(
    texts("FOLDER"),
    "an adapter to serve beside the base model, chosen by its folder's name (repeatable)",
  ),
  ...plainPooling,
  ...conversations,
  port: server(whole(0), "port to listen on; 0 for any free one", { default: 8080 }),
  host: server(text("HOST"), "address to listen on; 0.0.0.0 makes the server reachable from other machines", {
    default: "127.0.0.1",
  }),
  apiKey: server(text("KEY"), 'key that requests must send as "Authorization: Bearer KEY"', { defaultText: "none" }),
  allowOrigin: server(
    texts("URL"),
    "also answers browsers' requests from pages of this origin, such as http://localhost:3000 (repeatable)",
  ),
  maxConcurrentRequests: server(
    whole(1),
    "how many requests may run or wait at once; further ones are answered with status 429",
    { default: 64 },
  ),
  draft: { ...draft, group: "Model" },
  draftTokens: { ...generationOptions.draftTokens, group: "Model" },
  cacheDtype: { ...generationOptions.cacheDtype, group: "Model" },
  ...pick(rowOptions, "dtype", "baseDtype", "device", "threads"),
  ...pick(session, "quiet", "debug"),
};

/** What `serve` takes: the flags of `bidora serve`, in camelCase. */
export type ServeSettings = Given<typeof options>;

export const serveCommand = defineCommand({
  usage: "serve --model M [--adapter A]…",
  about: "Serves a language model, an embedding model or a reranker, and its adapters, by OpenAI's protocol.",
  options,
  hooks: HUB_HOOKS,
  async run(settings, context) {
    const server = await started(settings, context);
    context.onNote?.(`Listening on ${server.url}`);
    if (context.signal && !context.signal.aborted) await once(context.signal, "abort");
    await server.close();
  },
  show: () => [],
});

/**
 * Serves a language model, an embedding model or a reranker, and its adapters, by OpenAI's protocol until `close` is called, or the signal is aborted.
 * @returns the running server, once it answers
 * @throws UsageError for settings without effect, and for two models of one name; BidoraError `HEAD` for a model for another
 *   task, `ADAPTER_MISFIT` for an adapter of another base model, `SERVE` for a port that can't be used
 */
export async function serve(settings: ServeSettings, hooks: HubHooks = {}): Promise<RunningServer> {
  const server = await started(...checkedCall("serve", serveCommand, settings, hooks));
  const { signal } = hooks;
  if (signal?.aborted) await server.close();
  signal?.throwIfAborted();
  signal?.addEventListener("abort", () => void server.close(), { once: true });
  return server;
}

async function started(settings: Settings<typeof options>, context: Context): Promise<RunningServer> {
  const { port, host, apiKey, allowOrigin = [], maxConcurrentRequests, cacheDtype } = settings;
  requirePort(port);
  const allowedOrigins = allowOrigin.map(originOf);
  const served = await openServed(settings, context);
  const onError = (error: unknown) =>
    context.everyNote?.(`A request failed: ${error instanceof Error ? error.message : error}`);
  try {
    context.signal?.throwIfAborted();
    return await listen(served, { port, host, apiKey, allowedOrigins, maxConcurrentRequests, cacheDtype, onError });
  } catch (error) {
    disposeServed(served);
    throw error;
  }
}
