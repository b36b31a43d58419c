// Loaded before the addon, because libraries below libtorch read these when they are loaded. (JavaScript's process.env is
// only a copy in a worker.) Debian's libtorch brings MPI, and with it UCX, which would rewrite the C library's sbrk and
// mmap in memory while V8's threads call them (now and then the process then ends in a segmentation fault), and take the
// signals that V8 needs for WebAssembly and the one that tells of a closed terminal.
#include <node_api.h>

#include <cstdlib>

NAPI_MODULE_INIT() {
  setenv("UCX_MEM_MMAP_HOOK_MODE", "none", 0);
  setenv("UCX_HANDLE_ERRORS", "none", 0);
  setenv("UCX_DEBUG_SIGNO", "0", 0);
  // Threads that wait for each other by spinning make a step ten times slower on a machine that also does other work.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  return exports;
}
