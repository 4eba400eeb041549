/* SPDX-License-Identifier: MIT */
#ifndef HAK_TESTS_TRAPS_PLUGIN_H
#define HAK_TESTS_TRAPS_PLUGIN_H

#include <stddef.h>

struct plugin {
    int (*round_trip)(void);
    int (*read_lines)(void);
    void *(*make)(size_t size);
    void *(*grow)(void *block, size_t size);
    void (*drop)(void *block);
    int (*symbol)(void);       /* a function that the program has too: 2 */
    int (*needed)(void);       /* the same, of a library that the plugin needs: 2 */
    char *(*print)(int value); /* from asprintf */
    char *(*copy)(const char *text);
    char *(*read)(const char *text); /* from getline */
    void *made[2];                   /* by its constructor, of 16 bytes and of 1 MiB */
};

/* The host has both and returns 1; the plugin has the first, a library that it needs the second. */
int codec_of_plugin(void);
int codec_of_library(void);

#endif
