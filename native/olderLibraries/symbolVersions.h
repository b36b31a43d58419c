// On Arm, libtorch is built for glibc 2.28, and the addon must not ask for a newer one, whichever it is built on. The
// linker would take the newest version of these functions; the first versions do the same.
#pragma once

#if defined(__linux__) && defined(__aarch64__) && __has_include(<features.h>)
#include <features.h>
#ifdef __GLIBC__
asm(".symver dladdr, dladdr@GLIBC_2.17");
asm(".symver dlopen, dlopen@GLIBC_2.17");
asm(".symver dlsym, dlsym@GLIBC_2.17");
asm(".symver exp, exp@GLIBC_2.17");
asm(".symver log, log@GLIBC_2.17");
#endif
#endif
