/* SPDX-License-Identifier: MIT */
/*
 * Prints what this process heeds: the value of an option, and whose malloc it has. With an
 * argument it must have more rights than its user (AT_SECURE), or ends with 77.
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "../preload/test.h"

int main(int argc, char **argv)
{
    char value[32] = "?";
    if (argc > 1 && getauxval(AT_SECURE) == 0) {
        fprintf(stderr, "%s: no more rights than its user\n", argv[0]);
        return 77;
    }
    void *block = opaque(malloc(100));
    hak_option_get("decay_ms", value, sizeof value);
    printf("%s %s\n", value, hak_owns(block) ? "hakmem" : "libc");
    free(block);
    return 0;
}
