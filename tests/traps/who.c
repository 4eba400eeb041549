/* SPDX-License-Identifier: MIT */
/* Whether every name of malloc's family comes from a library whose path holds the argument. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments)
{
    void *const functions[] = {(void *)malloc,         (void *)free,   (void *)calloc,
                               (void *)realloc,        (void *)memalign, (void *)aligned_alloc,
                               (void *)posix_memalign, (void *)malloc_usable_size};
    if (count != 2)
        return 2;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        Dl_info info;
        if (dladdr(functions[i], &info) == 0 || strstr(info.dli_fname, arguments[1]) == NULL) {
            printf("%s comes from %s\n", info.dli_sname, info.dli_fname);
            return 1;
        }
    }
    /* libc's own calls too */
    char *text = strdup("a text");
    bool (*owns)(const void *) = (bool (*)(const void *))dlsym(RTLD_DEFAULT, "hak_owns");
    int wrong = owns != NULL && !owns(text);
    free(text);
    return wrong;
}
