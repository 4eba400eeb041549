/* SPDX-License-Identifier: MIT */
/*
 * linking: whether this program runs on libhakmem.
 *
 *     cc program.c $(pkg-config --cflags --libs hakmem)
 *
 * The block of strdup is allocated by libc: if it is the library's, all of the program's are.
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *copy = strdup("allocated by libc");
    if (copy == NULL)
        return EXIT_FAILURE;
    bool ours = hak_owns(copy);
    printf("libhakmem %s: %s\n", hak_version(), ours ? "in use" : "not in use");
    free(copy);
    return ours ? EXIT_SUCCESS : EXIT_FAILURE;
}
