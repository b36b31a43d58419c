"""The generation peer: llama.cpp as built for this processor, greedy, with its default F16 cache. It takes and gives token ids."""

import json

import llama_cpp
import numpy
from protocol import serve


def prepare(spec):
    [prompt] = spec["prompts"]
    threads = spec["threads"]
    llama_cpp.llama_backend_init()
    llama_cpp.llama_log_set(silence, None)
    model = llama_cpp.llama_model_load_from_file(spec["model"].encode(), llama_cpp.llama_model_default_params())
    size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = settings.n_batch = len(prompt) + spec["newTokens"]
    settings.n_threads = settings.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, settings)

    def next_token(ids):
        """Computes tokens after those in the cache, and returns the most likely next one."""
        tokens = (llama_cpp.llama_token * len(ids))(*ids)
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(ids))) != 0:
            raise RuntimeError("llama_decode failed")
        return int(numpy.argmax(numpy.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (size,))))

    def generate():
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        tokens = [next_token(prompt)]
        while len(tokens) < spec["newTokens"]:
            tokens.append(next_token(tokens[-1:]))
        return [tokens]

    facts = {"llamaCpp": f"built for the processor (llama-cpp-python {llama_cpp.__version__})", "threads": threads}
    return {**facts, "tokens": json.dumps(generate())}, generate


@llama_cpp.llama_log_callback
def silence(level, text, data):
    """llama.cpp logs every tensor otherwise."""


if __name__ == "__main__":
    serve(prepare)
