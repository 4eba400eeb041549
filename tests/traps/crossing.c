/* SPDX-License-Identifier: MIT */
/* `crossing PLUGIN`: blocks of a plugin that was linked with libhakmem cross over in all ways. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>

#include "cases.h"

int main(int count, char **arguments)
{
    void *plugin = count > 1 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    REQUIRE(plugin != NULL);
    void *(*make)(size_t) = (void *(*)(size_t))dlsym(plugin, "plugin_make");
    size_t (*size_of)(const void *) = (size_t (*)(const void *))dlsym(plugin, "plugin_size");
    void (*frees[])(void *) = {free, (void (*)(void *))dlsym(plugin, "plugin_free"),
                               (void (*)(void *))dlsym(plugin, "plugin_hak_free")};
    for (size_t size = 1; size < 3000000; size *= 7)
        for (int i = 0; i < 3; i++) {
            char *block = make(size);
            REQUIRE((uintptr_t)block % 64 == 0 && block[0] == 0 && malloc_usable_size(block) >= size);
            block = opaque(realloc(memset(block, 1, size), 2 * size));
            REQUIRE(block != NULL && block[size - 1] == 1);
            frees[i](block);
            block = filled(size);
            REQUIRE(size_of(block) >= size);
            frees[i](block);
        }
    return 0;
}
