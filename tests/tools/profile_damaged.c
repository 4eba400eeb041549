/* SPDX-License-Identifier: MIT */
/*
 * Profiles whose tables or files are damaged: whatever the reader makes of them, what it returns
 * leads to memory of the profile alone. "profile_damaged SEED" repeats a failure.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"
#include "profile/tables.h"
#include "profile_tables.h"

enum { ROUNDS = 10000, SAMPLES = 16, SITES = 8, WORDS = 64, DEPTH = 5 };

/* A process: its memory begins at address 0x1000. */
static struct image {
    struct hak_profile profile;
    struct hak_sample samples[SAMPLES];
    struct hak_site sites[SITES];
    uint64_t words[WORDS];
} good, image;

static const uintptr_t base = 0x1000;
static uint64_t state;
static unsigned seed;

static uint64_t random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static _Noreturn void fail(const char *text)
{
    fprintf(stderr, "seed %u: %s\n", seed, text);
    exit(1);
}

void command_error(const char *format, ...)
{
    (void)format;
}

void profile_symbols_close(struct profile *profile)
{
    (void)profile;
}

static bool peek(const void *context, const void *from, void *to, size_t size)
{
    uintptr_t at = (uintptr_t)from - base;
    (void)context;
    if ((uintptr_t)from < base || at > sizeof image || size > sizeof image - at) {
        errno = EFAULT;
        return false;
    }
    memcpy(to, (char *)&image + at, size);
    return true;
}

static struct hak_profile_table table(size_t offset, uint32_t count)
{
    return (struct hak_profile_table){(const void *)(base + offset), count, count};
}

static void make_good(void)
{
    good.profile.interval = good.profile.shortest_interval = good.profile.longest_interval = 1 << 19;
    good.profile.began_tenths = 1;
    good.profile.sample_size = sizeof(struct hak_sample);
    good.profile.site_size = sizeof(struct hak_site);
    good.profile.samples = table(offsetof(struct image, samples), SAMPLES);
    good.profile.sites = table(offsetof(struct image, sites), SITES);
    good.profile.stacks = table(offsetof(struct image, words), WORDS);
    for (uint32_t i = 0; i < SITES; i++) {
        struct hak_stack stack = {.depth = DEPTH};
        good.sites[i].stack = i * (DEPTH + 1);
        good.sites[i].in_use = good.sites[i].allocated = (struct hak_profile_sum){1 << 16, 100};
        memcpy(&good.words[good.sites[i].stack], &stack, sizeof stack);
    }
    for (uint32_t i = 0; i < SAMPLES; i++)
        good.samples[i] = (struct hak_sample){
            .address = i + 1, .size = 100, .weight = 1 << 16, .site = i % SITES, .tenths = 5};
}

static bool is_inside(const struct profile *profile, const void *from, size_t count, size_t size)
{
    size_t at = (size_t)((const char *)from - (const char *)profile);
    return count == 0 || (at < profile->used && count <= (profile->used - at) / size);
}

static void check(const struct profile *profile)
{
    if (!is_inside(profile, profile->entries, profile->entry_count, sizeof *profile->entries) ||
        !is_inside(profile, profile->samples, profile->sample_count, sizeof *profile->samples) ||
        !is_inside(profile, profile->mappings, profile->mapping_count, sizeof *profile->mappings))
        fail("an array is outside");
    for (size_t i = 0; i < profile->entry_count; i++)
        if (!is_inside(profile, profile->entries[i].frames, profile->entries[i].depth, sizeof(uint64_t)))
            fail("the frames of an entry are outside");
    for (size_t i = 0; i < profile->sample_count; i++)
        if (profile->samples[i].entry >= profile->entry_count)
            fail("a sample leads to no entry");
    for (size_t i = 0; i < profile->mapping_count; i++)
        if (profile->mappings[i].build_id_size > PROFILE_BUILD_ID_MOST)
            fail("a build ID is too long");
}

/* Changes some bytes, most often to extreme values. */
static void damage(void *memory, size_t size)
{
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    unsigned char *bytes = memory;
    for (uint64_t n = random_number() % 8; n-- > 0;) {
        size_t length = 1 + random_number() % 8, at = random_number() % size;
        unsigned char value = values[random_number() % sizeof values];
        for (size_t i = at; i < at + length && i < size; i++)
            bytes[i] = random_number() % 4 == 0 ? (unsigned char)random_number() : value;
    }
}

static enum profile_tables_result read_tables(void)
{
    struct remote_memory memory = {.read = peek};
    struct profile *profile = profile_new();
    if (profile == NULL)
        fail("no memory");
    enum profile_tables_result result = profile_tables_read(profile, &memory, base, 10);
    if (result == PROFILE_TABLES_READ)
        check(profile);
    profile_free(profile);
    return result;
}

/* The last record of the peak may be below what is in use now: then that is the peak. */
static void check_peak(uint64_t recorded, double shown)
{
    struct remote_memory memory = {.read = peek};
    struct profile *profile = profile_new();
    double bytes = 0;
    image = good;
    for (uint32_t i = 0; i < SITES; i++)
        image.sites[i].at_peak = (struct hak_profile_sum){1 << 16, recorded};
    if (profile == NULL || profile_tables_read(profile, &memory, base, 10) != PROFILE_TABLES_READ)
        fail("what is undamaged is not read");
    for (size_t i = 0; i < profile->entry_count; i++)
        bytes += profile->entries[i].sum[PROFILE_AT_PEAK].bytes;
    if (bytes != SITES * shown)
        fail("another peak");
    profile_free(profile);
}

static bool read_file(int fd, const char *text, size_t length)
{
    char path[40];
    struct profile *profile = profile_new();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (profile == NULL || ftruncate(fd, 0) != 0 || pwrite(fd, text, length, 0) != (ssize_t)length)
        fail("no memory");
    bool read = profile_read_heap_v2(profile, path);
    check(profile);
    profile_free(profile);
    return read;
}

static const char heap[] = "heap profile:      2: 67109888 [     2: 67109888] @ heap_v2/524288\n"
                           "     1:     1024 [     1:     1024] @ 0x401000 0x402000\n"
                           "     1: 67108864 [     1: 67108864] @ 0x401010\n"
                           "\n"
                           "MAPPED_LIBRARIES:\n"
                           "00400000-00500000 r-xp 00001000 08:01 1234 /usr/bin/program\n"
                           "# build-id 400000 0123456789abcdef\n"
                           "00600000-00700000 r-xp 00000000 08:01 1235 /usr/lib/lib\xc3\xa4.so (deleted)\n";

int main(int argc, char **argv)
{
    unsigned first = argc > 1 ? (unsigned)atoi(argv[1]) : 1, read = 0;
    int fd = memfd_create("profile", MFD_CLOEXEC);
    make_good();
    image = good;
    seed = 0;
    if (fd < 0 || read_tables() != PROFILE_TABLES_READ || !read_file(fd, heap, sizeof heap - 1))
        fail("what is undamaged is not read");
    check_peak(96, 100);
    check_peak(200, 200);
    for (seed = first; seed < first + (argc > 1 ? 1 : ROUNDS); seed++) {
        char text[sizeof heap];
        state = seed * 0x9e3779b97f4a7c15u | 1;
        image = good;
        damage(&image, sizeof image);
        read += read_tables() == PROFILE_TABLES_READ;
        memcpy(text, heap, sizeof heap);
        damage(text, sizeof text - 1);
        read_file(fd, text, sizeof text - 1);
    }
    printf("%u of the damaged profiles were read\n", read);
    return 0;
}
