/* SPDX-License-Identifier: MIT */
/*
 * Snapshots that are damaged: whatever the reader makes of them, it ends, and what it gives keeps to its
 * bounds; and so does the search for leaks, in a process that is made of the snapshot (damaged_leaks.h).
 * Under sanitizers in particular. Arguments: how many rounds, and a seed; or files, each of which is read
 * once. The first snapshot is of this process, so that it fits the reader's records.
 *
 * Built with -DFUZZER and -fsanitize=fuzzer the files are the fuzzer's; "snapshot_damaged write FILE"
 * writes one to begin with.
 */
#define _GNU_SOURCE
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hakmem/hakmem.h>

#include "command.h"
#include "damaged_leaks.h"
#include "damaged_types.h"
#include "profile_tables.h"
#include "reader/recorder.h"
#include "reader/snapshot_file.h"
#include "reader/walk.h"

enum { READS = 4000, SIZE_MOST = 1 << 22 };

static unsigned round_number;

static _Noreturn void fail(const char *text)
{
    fprintf(stderr, "round %u: %s\n", round_number, text);
    abort();
}

void command_error(const char *format, ...)
{
    (void)format;
}

void profile_symbols_close(struct profile *profile)
{
    (void)profile;
}

/* ---- a look ------------------------------------------------------------ */

struct seen {
    uintptr_t last;
    uint64_t blocks;
    struct profile *objects; /* or NULL */
    const struct profile_mapping *object;
};

static bool see(const struct reader_block *block, void *context)
{
    struct seen *seen = context;
    if (block->address < seen->last)
        fail("blocks do not rise");
    if ((unsigned)block->state >= READER_STATES || (unsigned)block->kind > READER_HUGE ||
        (block->kind == READER_SMALL && block->class_idx >= HAK_CLASS_COUNT))
        fail("a block of no kind");
    seen->last = block->address;
    seen->blocks++;
    if (seen->objects != NULL && profile_may_be_table(seen->objects, block->word[0], &seen->object))
        profile_add_word(seen->objects, block->word[0]);
    return true;
}

static void look_at_profile(const struct remote_memory *memory, const struct hak_stats_block *block)
{
    struct profile *profile = profile_new();
    if (profile == NULL)
        fail("no memory");
    profile_tables_read(profile, memory, (uintptr_t)block->profile, 1);
    profile_free(profile);
}

/* Whether all of it could be read. The bytes are those of the file. */
static bool look(int fd, const uint8_t *bytes, size_t size)
{
    struct snapshot_file file;
    struct hak_stats_block block;
    struct hak_snapshot snapshot;
    struct reader_summary summary;
    struct seen seen = {0};
    bool read = snapshot_open(&file, fd, false) == SNAPSHOT_READ;
    struct remote_memory memory = snapshot_memory(&file);
    if (read && remote_block_read(&memory, (uintptr_t)file.header.block, &block) == REMOTE_FOUND) {
        for (uint64_t i = 0; i < file.header.mappings.count; i++)
            if (strlen(file.names + file.mappings[i].name) > file.header.names.count)
                fail("a name without an end");
        read = hak__snapshot_read(&block, memory.read, memory.context, READS, &snapshot);
        look_at_profile(&memory, &block);
        seen.objects = damaged_types_profile(&file);
        if (seen.objects == NULL)
            fail("no memory");
        read &= reader_walk(&memory, &block, READS, see, &seen, &summary) == READER_DONE && seen.blocks > 0;
        int types = damaged_types_read(seen.objects, &memory);
        profile_free(seen.objects);
        if (types < 0)
            fail("a type with a bad name");
        read &= types > 0;
        read &= damaged_search(&memory, &block, (uintptr_t)file.header.block, bytes, size) > 0;
    } else {
        read = false;
    }
    snapshot_close(&file);
    return read;
}

static bool look_at_bytes(const uint8_t *bytes, size_t size)
{
    struct snapshot_header header;
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        fail("no memory");
    if (size >= sizeof header) { /* what a fuzzer does not find by itself */
        memcpy(&header, bytes, sizeof header);
        header.size = size;
        if (pwrite(fd, &header, sizeof header, 0) != sizeof header)
            fail("no memory");
    }
    return look(fd, bytes, size);
}

/* ---- the first one ----------------------------------------------------- */

static void fill_heap(void)
{
    static void *block[2000];
    hak_profile_start(4096);
    for (size_t i = 0; i < 2000; i++)
        block[i] = hak_malloc(i * 37 % 3000 + (i % 500 == 1 ? 100000 : i == 7 ? 40000000 : 0));
    for (size_t i = 0; i < 2000; i += 3)
        hak_free(block[i]);
    static uintptr_t *volatile object;
    object = hak_malloc(48);
    if (object != NULL)
        *object = damaged_types_word();
}

/* Of this process, in a file in memory. */
static int take_snapshot(void)
{
    static pid_t pid;
    static struct remote_memory memory;
    struct recorder recorder;
    struct reader_summary summary;
    struct hak_snapshot snapshot;
    struct seen seen = {0};
    struct snapshot_header header = {.block = (uintptr_t)&hak__stats_block, .pid = 1, .name = "damaged"};
    struct hak_stats_block block;
    int fd = memfd_create("first", MFD_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
    if (file == NULL)
        fail("no memory");
    fill_heap();
    pid = getpid();
    memory = remote_memory_of(&pid);
    recorder_begin(&recorder, &memory, file);
    struct remote_memory recorded = recorder_memory(&recorder);
    if (remote_block_read(&recorded, (uintptr_t)&hak__stats_block, &block) != REMOTE_FOUND)
        return -1; /* the system does not allow it */
    look_at_profile(&recorded, &block);
    if (!hak__snapshot_read(&block, recorded.read, recorded.context, READS, &snapshot) ||
        reader_walk(&recorded, &block, READS, see, &seen, &summary) != READER_DONE)
        fail("this process cannot be read");
    recorder_add_mapping(&recorder, &(struct snapshot_mapping){.start = 4096, .end = 8192}, "/bin/damaged");
    damaged_types_record(&recorder, &memory);
    if (!recorder_end(&recorder, &header) || fclose(file) != 0)
        fail("no memory");
    return fd;
}

/* ---- damage ------------------------------------------------------------ */

static uint64_t state;

static uint64_t random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Words are changed most often where they lead somewhere: in the header and in the tables at the end. */
static void damage(uint8_t *bytes, size_t size)
{
    static const uint64_t values[] = {0, 1, 8, 16, 0x7fffffff, UINT32_MAX, 0x10000, INT64_MAX, UINT64_MAX};
    for (uint64_t n = 1 + random_number() % 6; n-- > 0;) {
        size_t part = random_number() % 3, length = 1 + random_number() % 8;
        size_t at = part == 0   ? random_number() % sizeof(struct snapshot_header)
                    : part == 1 ? size - 1 - random_number() % (size / 16)
                                : random_number() % size;
        uint64_t value = values[random_number() % (sizeof values / sizeof *values)];
        if (random_number() % 2 == 0)
            at &= ~(size_t)7, length = 8;
        if (random_number() % 3 == 0) /* of another place */
            memcpy(&value, bytes + (random_number() % (size / 8 - 1)) * 8, sizeof value);
        if (random_number() % 3 == 0)
            value = random_number();
        memcpy(bytes + at, &value, length < size - at ? length : size - at);
    }
}

/* ---- programs ---------------------------------------------------------- */

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    (void)take_snapshot, (void)damage;
    look_at_bytes(bytes, size);
    return 0;
}
#else
static uint8_t *read_all(int fd, size_t *size)
{
    uint8_t *bytes = malloc(SIZE_MOST);
    ssize_t got = bytes != NULL ? pread(fd, bytes, SIZE_MOST, 0) : -1;
    if (got <= 0 || got == SIZE_MOST)
        fail("a file is not read");
    *size = (size_t)got;
    return bytes;
}

static int look_at_files(int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        size_t size;
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        uint8_t *bytes = read_all(fd, &size);
        look_at_bytes(bytes, size);
        free(bytes);
        close(fd);
    }
    return 0;
}

static int write_file(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
    return written && close(fd) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool numbers = argc < 2 || strspn(argv[1], "0123456789") == strlen(argv[1]);
    unsigned rounds = argc > 1 && numbers ? (unsigned)atoi(argv[1]) : 2000;
    unsigned seed = argc > 2 && numbers ? (unsigned)atoi(argv[2]) : 1, read = 0;
    size_t size;
    if (!numbers && strcmp(argv[1], "write") != 0)
        return look_at_files(argc - 1, argv + 1);
    int fd = take_snapshot();
    if (fd < 0)
        return 77;
    uint8_t *first = read_all(fd, &size), *bytes = malloc(size);
    if (!numbers)
        return argc == 3 ? write_file(argv[2], first, size) : 2;
    if (bytes == NULL || !look(fd, first, size) || !look_at_bytes(first, size))
        fail("what is undamaged is not read");
    for (round_number = seed; round_number < seed + rounds; round_number++) {
        state = round_number * 0x9e3779b97f4a7c15u | 1;
        memcpy(bytes, first, size);
        damage(bytes, size);
        read += look_at_bytes(bytes, random_number() % 16 == 0 ? random_number() % size : size);
    }
    free(first);
    free(bytes);
    printf("%zu bytes; %u of %u damaged snapshots were read as a whole\n", size, read, rounds);
    return 0;
}
#endif
