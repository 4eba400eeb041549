/* SPDX-License-Identifier: MIT */
/*
 * A program in C that opens a plugin in C++: `cxx-host PLUGIN`. Without one it calls operator new
 * itself, and no C++ runtime is there.
 */
#include <dlfcn.h>
#include <stdint.h>

#include "../preload/test.h"

int main(int count, char **arguments)
{
    if (count < 2) {
        void *(*create)(size_t) =
            (void *(*)(size_t))dlsym(RTLD_DEFAULT, sizeof(size_t) == sizeof(long) ? "_Znwm" : "_Znwj");
        REQUIRE(create != NULL);
        return create(PTRDIFF_MAX) != NULL;
    }
    void *plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL)
        fprintf(stderr, "%s\n", dlerror());
    REQUIRE(plugin != NULL);
    int (*run)(void) = (int (*)(void))dlsym(plugin, "plugin_run");
    REQUIRE(run != NULL);
    return run();
}
