/* SPDX-License-Identifier: MIT */
/* Packs its input as a command without zlib does; profile_output.sh unpacks it. */
#include <stdlib.h>

#include "gzip.h"

int main(void)
{
    static unsigned char bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, stdin);
    return gzip_write(stdout, bytes, size) && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
