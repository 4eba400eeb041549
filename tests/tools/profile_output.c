/* SPDX-License-Identifier: MIT */
/*
 * Writes a made-up profile: profile_output pprof|svg|empty|difference FOLDER.
 * FOLDER has the files demo and libone.so, which take the place of a program and its library. What
 * hakmem profile has to say of the profile stands in profile_output.sh.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"
#include "profile_debug.h"

/* ---- names: what else debugging information tells ----------------------- */

/* One line for each function at an offset; those at the same one are inlined in the next. */
static const struct {
    const char *file; /* of the code */
    uint64_t offset;
    const char *function, *source;
    unsigned line;
} names[] = {
    {"demo", 0x10f, "main", "demo.c", 40},
    {"demo", 0x11f, "main", "demo.c", 44},
    {"demo", 0x20f, "std::allocator<Item>::allocate(unsigned long)", "alloc.h", 1},
    {"demo", 0x20f, "make_item", "item.h", 7},
    {"demo", 0x20f, "fill_list", "demo.c", 20},
    {"demo", 0x30f, "operator new(unsigned long)", NULL, 0},
    {"demo", 0x31f, "std::map<int, Order, std::less<int> >::operator[](int const&)", "map.h", 9},
    {"demo", 0x33f, "shop::(anonymous namespace)::Order::operator()<int>(int) const", "demo.c", 60},
    {"libone.so", 0x10f, "one_open", NULL, 0},
    {"libone.so", 0x20f,
     "bad</title><script>alert(1)</script><]]>\"'&amp;\xff\xc3\001\033[31m\n\xe2\x82\xac", NULL, 0},
    {"libone.so", 0x30f, "LONG", NULL, 0},
    {"libone.so", 0x40f, "malloc", NULL, 0},
};

const bool profile_debug_available = true;

struct profile_debug *profile_debug_open(int fd, const char *path,
                                         const struct profile_mapping *mapping)
{
    (void)mapping;
    close(fd);
    return (struct profile_debug *)strdup(strrchr(path, '/') + 1);
}

void profile_debug_close(struct profile_debug *debug)
{
    free(debug);
}

char *profile_debug_table(struct profile_debug *debug, uint64_t distance)
{
    (void)debug;
    (void)distance;
    return NULL;
}

char *profile_debug_variable(struct profile_debug *debug, uint64_t distance, uint64_t *offset)
{
    (void)debug;
    (void)distance;
    (void)offset;
    return NULL;
}

size_t profile_debug_lines(struct profile_debug *debug, uint64_t offset, struct profile_line *lines,
                           size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && count < most; i++) {
        if (names[i].offset != offset || strcmp(names[i].file, (char *)debug) != 0)
            continue;
        char *function = strdup(names[i].function);
        if (strcmp(function, "LONG") == 0) {
            free(function);
            function = calloc(100001, 1);
            memset(function, 'L', 100000);
        }
        lines[count++] =
            (struct profile_line){.function = function,
                                  .file = names[i].source != NULL ? strdup(names[i].source) : NULL,
                                  .line = names[i].line};
    }
    return count;
}

void command_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

/* ---- the profile -------------------------------------------------------- */

enum { DEMO = 0x400000, ONE = 0x7f0000001000, GONE = 0x7f0000101000, CODE_SIZE = 0x1000 };
enum { KIB = 1024, MIB = 1024 * KIB, DEPTH = 4 };

/* Where calls return to is one more than the addresses that have names. */
static const struct made_up {
    uint64_t frames[DEPTH]; /* the innermost first */
    uint64_t size;
    struct profile_sum in_use, allocated, at_peak;
} made_up[] = {
    {{ONE + 0x410, DEMO + 0x210, DEMO + 0x110},
     1000,
     {2048.4, 2 * MIB},
     {4096, 4 * MIB},
     {3072, 3 * MIB}},
    {{DEMO + 0x310, DEMO + 0x320, DEMO + 0x120},
     64,
     {20480, 1.25 * MIB},
     {20480, 1.25 * MIB},
     {0, 0}},
    {{ONE + 0x210, ONE + 0x110, DEMO + 0x110}, MIB, {1, MIB}, {1, MIB}, {1, MIB}},
    {{GONE + 0x51, DEMO + 0x340, ONE + 0x310, DEMO + 0x110},
     65536,
     {8, 0.5 * MIB},
     {8, 0.5 * MIB},
     {8, 0.5 * MIB}},
    {{DEMO + 0x120}, 65536, {4, 0.25 * MIB}, {4, 0.25 * MIB}, {4, 0.25 * MIB}},
    {{0x1235}, 1024, {1, KIB}, {1, KIB}, {1, KIB}},
    {{0x1235, DEMO + 0x120}, 100, {1, 100}, {1, 100}, {1, 100}},
    {{ONE + 0x110, DEMO + 0x110}, MIB, {0, 0}, {7, 7 * MIB}, {0, 0}}, /* all freed */
};
enum { ENTRIES = sizeof made_up / sizeof made_up[0] };

static const struct profile_sample samples[] = {
    {.entry = 0, .size = 1000, .blocks = 512, .thread = 12},
    {.entry = 0, .size = 1000, .blocks = 1024, .thread = 11},
    {.entry = 0, .size = 1000, .blocks = 512, .thread = 11},
    {.entry = 2, .size = MIB, .blocks = 1, .thread = 12},
};

static void add_mapping(struct profile *profile, uint64_t start, const char *folder,
                        const char *name)
{
    struct profile_mapping *mapping = &profile->mappings[profile->mapping_count++];
    size_t size = strlen(folder) + strlen(name) + 2;
    mapping->path = profile_room(profile, size, 1);
    snprintf(mapping->path, size, "%s/%s", folder, name);
    mapping->start = start;
    mapping->end = start + CODE_SIZE;
    for (mapping->build_id_size = 0; mapping->build_id_size < 20; mapping->build_id_size++)
        mapping->build_id[mapping->build_id_size] =
            (unsigned char)(start >> 12 ^ mapping->build_id_size);
}

/* factors[i]: what the sums of entry i are multiplied by; samples are not. */
static struct profile *make(const char *folder, size_t entries, const double *factors)
{
    struct profile *profile = profile_new();
    snprintf(profile->name, sizeof profile->name, "demo<&>");
    profile->interval = profile->interval_most = 512 * KIB;
    profile->seconds = 2.5;
    profile->samples_dropped = 3;
    profile->mappings = profile_room(profile, 3, sizeof *profile->mappings);
    add_mapping(profile, DEMO, folder, "demo");
    add_mapping(profile, ONE, folder, "libone.so");
    add_mapping(profile, GONE, "/no/such", "libgone.so");
    profile->entries = profile_room(profile, ENTRIES, sizeof *profile->entries);
    for (size_t i = 0; i < entries; i++) {
        struct profile_entry *entry = &profile->entries[profile->entry_count++];
        const struct profile_sum *sums[] = {&made_up[i].in_use, &made_up[i].allocated,
                                            &made_up[i].at_peak};
        *entry = (struct profile_entry){.frames = made_up[i].frames, .size = made_up[i].size};
        while (entry->depth < DEPTH && made_up[i].frames[entry->depth] != 0)
            entry->depth++;
        for (int view = 0; view < PROFILE_VIEWS; view++)
            entry->sum[view] = (struct profile_sum){sums[view]->blocks * factors[i],
                                                    sums[view]->bytes * factors[i]};
    }
    return profile;
}

int main(int argc, char **argv)
{
    static const double once[ENTRIES] = {1, 1, 1, 1, 1, 1, 1, 1}, before[ENTRIES] = {0.5, 1, 2};
    if (argc != 3)
        return 2;
    bool empty = strcmp(argv[1], "empty") == 0, pprof = strncmp(argv[1], "pprof", 5) == 0;
    bool compare = strcmp(argv[1], "difference") == 0 || strcmp(argv[1], "pprof-difference") == 0;
    struct profile *profile = make(argv[2], empty ? 0 : ENTRIES, once);
    struct profile *base = make(argv[2], 3, before), *difference = NULL;
    if (!compare && !empty) {
        profile->samples = profile_room(profile, 4, sizeof *samples);
        profile->sample_count = 4;
        memcpy(profile->samples, samples, sizeof samples);
    }
    bool good = profile_symbols_open(profile) && profile_symbols_open(base);
    if (pprof) {
        good = good && profile_write_pprof(stdout, profile, compare ? base : NULL);
    } else {
        difference = compare ? profile_difference(profile, base) : NULL;
        good = good && (!compare || (difference != NULL && profile_symbols_open(difference))) &&
               profile_write_svg(stdout, compare ? difference : profile, PROFILE_IN_USE,
                                 "memory of <demo>");
    }
    profile_free(difference);
    profile_free(profile);
    profile_free(base);
    return good && fflush(stdout) == 0 ? 0 : 1;
}
