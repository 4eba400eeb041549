/* SPDX-License-Identifier: MIT */
/*
 * plugin-host now|lazy [LIBRARY]: opens plugin.so by its bare name with RTLD_DEEPBIND, bound at once or
 * when called. Blocks cross in both directions, and the plugin has what it brought. Of the library,
 * blocks of operator new come and go.
 */
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

/* What libc allocates for one side is freed by the other. */
static void cross_libc(const struct plugin *plugin)
{
    char *text = NULL;
    REQUIRE(asprintf(&text, "%d", 7) == 1);
    plugin->drop(text);
    plugin->drop(strdup("text"));
    char *texts[] = {plugin->print(7), plugin->copy("text"), plugin->read("text\n")};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        REQUIRE(texts[i] != NULL);
        free(texts[i]);
    }
}

int codec_of_plugin(void)
{
    return 1;
}

int codec_of_library(void)
{
    return 1;
}

static void open_plugin(int binding)
{
    void *handle = dlopen("plugin.so", binding | RTLD_LOCAL | RTLD_DEEPBIND);
    if (handle == NULL)
        fprintf(stderr, "%s\n", dlerror());
    REQUIRE(handle != NULL);
    const struct plugin *plugin = dlsym(handle, "plugin");
    REQUIRE(plugin != NULL);
    free(plugin->made[0]);
    plugin->drop(realloc(plugin->made[1], 2 << 20));
    REQUIRE(plugin->round_trip() == 0);
    REQUIRE(plugin->read_lines() == 0);
    cross(plugin);
    cross_libc(plugin);
    REQUIRE(codec_of_plugin() == 1 && codec_of_library() == 1);
    if (plugin->symbol() != 2 || plugin->needed() != 2)
        fprintf(stderr, "the plugin has %d and %d\n", plugin->symbol(), plugin->needed());
    REQUIRE(plugin->symbol() == 2);
    REQUIRE(plugin->needed() == 2);
    REQUIRE(dlclose(handle) == 0);
}

/* Who asks the C library itself gets functions that go with all others. */
static void ask_libc(void)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    REQUIRE(libc != NULL);
    void *(*make)(size_t) = (void *(*)(size_t))dlsym(libc, "malloc");
    void (*drop)(void *) = (void (*)(void *))dlsym(libc, "free");
    int (*align)(void **, size_t, size_t) =
        (int (*)(void **, size_t, size_t))dlsym(libc, "posix_memalign");
    void *block = NULL;
    REQUIRE(make != NULL && drop != NULL && align != NULL);
    free(make(16));
    drop(malloc(1 << 20));
    REQUIRE(align(&block, 64, 100) == 0);
    free(block);
    dlclose(libc);
}

static void open_library(const char *name, int binding)
{
    void *handle = dlopen(name, binding | RTLD_LOCAL | RTLD_DEEPBIND);
    if (handle == NULL)
        fprintf(stderr, "%s\n", dlerror());
    REQUIRE(handle != NULL);
    char *(*make)(size_t) = (char *(*)(size_t))dlsym(handle, "make_text");
    void (*drop)(char *) = (void (*)(char *))dlsym(handle, "drop_text");
    REQUIRE(make != NULL && drop != NULL);
    for (size_t size = 16; size <= 1 << 20; size *= 16) {
        free(make(size));
        drop(memset(malloc(size), 1, size));
    }
}

int main(int argc, char **argv)
{
    REQUIRE(argc >= 2);
    int binding = strcmp(argv[1], "lazy") == 0 ? RTLD_LAZY : RTLD_NOW;
    REQUIRE(dlopen("no-such-plugin.so", RTLD_NOW | RTLD_DEEPBIND) == NULL);
    const char *error = dlerror();
    REQUIRE(error != NULL && strstr(error, "no-such-plugin.so") != NULL);
    REQUIRE(dlopen(NULL, RTLD_LAZY | RTLD_DEEPBIND) != NULL);

    for (int round = 0; round < 3; round++)
        open_plugin(binding);
    ask_libc();
    if (argc > 2)
        open_library(argv[2], binding);
    return 0;
}
