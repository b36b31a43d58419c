// Ends the process at a second Ctrl-C, since Node delivers signals to JavaScript only in its event loop.
#pragma once

#include <node_api.h>

namespace bidora {

// (signal, milliseconds): a second signal, at least this many milliseconds after the first, ends the process
// immediately. All watched signals count together. Node must have a handler for the signal and keep it until
// `unwatchSignal`. Does nothing on Windows, which has no such handlers.
napi_value watchSignal(napi_env env, napi_callback_info info);

// (signal): restores Node's handler.
napi_value unwatchSignal(napi_env env, napi_callback_info info);

}  // namespace bidora
