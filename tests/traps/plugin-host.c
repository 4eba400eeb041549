/* SPDX-License-Identifier: MIT */
/* Opens plugin.so by its bare name with RTLD_DEEPBIND; blocks cross in both directions. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "../preload/test.h"
#include "plugin.h"

static void cross(const struct plugin *plugin)
{
    static const size_t sizes[] = {1, 24, 600, 5000, 70000, 3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        plugin->drop(memset(malloc(sizes[i]), 1, sizes[i]));
        free(memset(plugin->make(sizes[i]), 1, sizes[i]));
        free(plugin->grow(malloc(sizes[i]), 2 * sizes[i]));
        plugin->drop(realloc(plugin->make(sizes[i]), 2 * sizes[i]));
    }
}

int main(void)
{
    REQUIRE(dlopen("no-such-plugin.so", RTLD_NOW | RTLD_DEEPBIND) == NULL);
    const char *error = dlerror();
    REQUIRE(error != NULL && strstr(error, "no-such-plugin.so") != NULL);
    REQUIRE(dlopen(NULL, RTLD_LAZY | RTLD_DEEPBIND) != NULL);

    for (int round = 0; round < 3; round++) {
        void *handle = dlopen("plugin.so", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
        if (handle == NULL)
            fprintf(stderr, "%s\n", dlerror());
        REQUIRE(handle != NULL);
        const struct plugin *plugin = dlsym(handle, "plugin");
        REQUIRE(plugin != NULL);
        REQUIRE(plugin->round_trip() == 0);
        REQUIRE(plugin->read_lines() == 0);
        cross(plugin);
        REQUIRE(dlclose(handle) == 0);
    }
    return 0;
}
