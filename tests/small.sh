#!/bin/sh
# SPDX-License-Identifier: MIT
# Small processes have little more anonymous memory than on the system's malloc.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# 400 blocks of 30 sizes, of which every third is freed
cat > "$work/blocks.c" << 'END'
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
int main(void)
{
    static char *block[400];
    for (int i = 0; i < 400; i++) {
        size_t size = 16 + 16 * (size_t)(i * 7 % 30);
        if ((block[i] = malloc(size)) == NULL)
            return 1;
        memset(block[i], 1, size);
    }
    for (int i = 0; i < 400; i += 3)
        free(block[i]);
    FILE *status = fopen("/proc/self/status", "r");
    char line[200];
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        fputs(line, stdout);
    return 0;
}
END
# CC may hold options
# shellcheck disable=SC2086
$CC -O1 -fno-builtin -o "$work/blocks" "$work/blocks.c"
# shellcheck disable=SC2016
in_shell='while read -r line; do echo "$line"; done < /proc/self/status'
anonymous() {
    library=$1
    shift
    LD_PRELOAD=$library "$@" | awk '/^RssAnon/ { print $2 }'
}
median() { for i in 1 2 3 4 5; do anonymous "$@"; done | sort -n | sed -n 3p; }
failed=0
# compare KIB PROGRAM ...: how much more it may be, with the noise of a page of the stack
compare() {
    most=$1
    shift
    system=$(median '' "$@")
    ours=$(median "$HAK_LIBRARY" "$@")
    echo "$1: system $system KiB, hakmem $ours KiB"
    [ "$((ours - system))" -le "$most" ] || failed=1
}
compare 48 cat /proc/self/status
compare 48 sh -c "$in_shell"
compare 48 "$work/blocks"
exit $failed
