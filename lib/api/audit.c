/* SPDX-License-Identifier: MIT */
/*
 * What rtld-audit(7) asks of a library in LD_AUDIT. ld.so unloads one that does not answer, or
 * answers 0, and fails on this one, which cannot be unloaded. So it stays, and watches nothing.
 */
#include "base/compiler.h"

HAK_EXPORT unsigned la_version(unsigned version);

unsigned la_version(unsigned version)
{
    return version;
}
