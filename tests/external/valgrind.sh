#!/bin/sh
# SPDX-License-Identifier: MIT
# valgrind: memcheck intercepts malloc in the preloaded library, too, and finds the same errors;
# with nothing intercepted, a program runs on the library under valgrind's processor.
. "$(dirname "$0")/common.sh"
packages='valgrind gcc libc6-dev libc6-dbg'
about='memcheck finds the same leaks and errors; nulgrind and callgrind with threads on the library'
limit=240

errors() {
    sed -n -e 's/^==[0-9]*== *//' -e '/Invalid\|uninitialised\|definitely lost:\|free.d\|in use at exit\|ERROR SUMMARY/p' "$1" |
        sed -e 's/0x[0-9a-f]*/ADDRESS/g'
}
work() {
    cat > wrong.c << 'END'
#include <stdlib.h>
#include <string.h>
int main(void)
{
    char *volatile p = malloc(40);
    char *volatile lost = malloc(1234);
    strcpy(lost, "lost");
    lost = NULL;
    int uninitialised = p[3] == 'x';
    p[40] = 1;
    free(p);
    int freed = p[1];
    return uninitialised ? 2 : freed == 77 ? 3 : 0;
}
END
    cat > right.c << 'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *worker(void *seed)
{
    unsigned x = (unsigned)(long)seed;
    static __thread char *kept[200];
    unsigned sum = 0;
    for (int i = 0; i < 20000; i++) {
        x = x * 69069u + 1;
        char **place = &kept[(x >> 16) % 200];
        free(*place);
        size_t size = (x >> 8) % (i % 500 == 0 ? 300000 : 2000) + 1;
        *place = i % 3 ? malloc(size) : calloc(1, size);
        (*place)[size - 1] = (char)i;
        sum += (unsigned char)(*place)[size - 1];
    }
    for (int i = 0; i < 200; i++)
        free(kept[i]);
    printf("%u\n", sum);
    return NULL;
}
int main(void)
{
    pthread_t thread[3];
    for (long i = 0; i < 3; i++) {
        pthread_create(&thread[i], NULL, worker, (void *)(i + 1));
        if (i == 1)
            for (int k = 0; k < 2; k++)
                pthread_join(thread[k], NULL);
    }
    pthread_join(thread[2], NULL);
    FILE *maps = fopen("/proc/self/maps", "r"), *out = fopen("tmp/maps", "w");
    char line[500];
    while (fgets(line, sizeof line, maps) != NULL)
        fputs(line, out);
    return 0;
}
END
    gcc -g -O0 -o wrong wrong.c
    gcc -g -O1 -pthread -o right right.c
    under valgrind --leak-check=full ./wrong > wrong.log 2>&1
    errors wrong.log >> result
    for tool in none callgrind memcheck; do
        more=
        [ "$tool" != callgrind ] || more=--callgrind-out-file=tmp/out
        under valgrind "--tool=$tool" --error-exitcode=9 "--log-file=tmp/$tool" $more ./right > "$tool.log" 2>&1
        result "$tool: $(cksum < "$tool.log")"
        mapped_text tmp/maps
        cp "tmp/$tool" "$tool.valgrind.log"
    done
}
suite "$@"
