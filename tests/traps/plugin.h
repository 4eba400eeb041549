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
};

#endif
