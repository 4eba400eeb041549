/* SPDX-License-Identifier: MIT */
/*
 * A process that deceives who reads its statistics; it is run with the library preloaded.
 *
 *     hostile names                 no deceit: prints the names of the block's addresses
 *     hostile PATTERN NAME          an address of the block leads to memory filled with a pattern
 *     hostile field OFFSET VALUE    a number of 32 bits of the block is another
 *     hostile version TEXT          the version is TEXT; "" fills its place without an end
 *     hostile numbers               all numbers in the records are as large as they can be
 *     hostile sizes                 a block of a mapping of its own claims all of the address space
 *
 * Says "ready" when it is done, or "impossible", and waits.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/stats_block.h"

enum { WORDS = 1 << 21 };

static const struct {
    const char *name;
    size_t offset;
} addresses[] = {
#define ADDRESS(name) {#name, offsetof(struct hak_stats_block, name)}
    ADDRESS(live_bytes), ADDRESS(retained_bytes), ADDRESS(taken_bytes), ADDRESS(committed_bytes),
    ADDRESS(metadata_bytes), ADDRESS(huge_bytes), ADDRESS(huge_blocks), ADDRESS(superslabs),
    ADDRESS(heaps), ADDRESS(counters), ADDRESS(all_heaps), ADDRESS(disabled), ADDRESS(chunks),
    ADDRESS(locks), ADDRESS(starter), ADDRESS(page_map), ADDRESS(profile),
    ADDRESS(secret), ADDRESS(meta_newest), ADDRESS(huge_newest)};
enum { ADDRESSES = sizeof addresses / sizeof *addresses };
static_assert(sizeof(struct hak_stats_block) - offsetof(struct hak_stats_block, live_bytes) ==
                  ADDRESSES * sizeof(void *), "these are all");

/* By the note, as doc/statistics-block.md says. */
static int find_block(struct dl_phdr_info *object, size_t size, void *block)
{
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type != PT_NOTE)
            continue;
        const char *at = (const char *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
        const char *end = at + object->dlpi_phdr[i].p_memsz;
        for (ElfW(Nhdr) note; (size_t)(end - at) >= sizeof note;) {
            memcpy(&note, at, sizeof note);
            const char *name = at + sizeof note, *text = name + ((note.n_namesz + 3) & ~3U);
            int32_t distance;
            if (note.n_type == HAK_STATS_NOTE_TYPE && note.n_namesz == sizeof HAK_STATS_NOTE &&
                memcmp(name, HAK_STATS_NOTE, sizeof HAK_STATS_NOTE) == 0) {
                memcpy(&distance, text, sizeof distance);
                *(struct hak_stats_block **)block = (void *)(text + distance);
                return 1;
            }
            at = text + ((note.n_descsz + 3) & ~3U);
        }
    }
    return 0;
}

/* The block, made writable; NULL where there is none. */
static struct hak_stats_block *own_block(void)
{
    struct hak_stats_block *block = NULL;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (dl_iterate_phdr(find_block, &block) == 0)
        return NULL;
    uintptr_t first = (uintptr_t)block & ~(page - 1);
    size_t size = ((uintptr_t)(block + 1) - first + page - 1) & ~(page - 1);
    return mprotect((void *)first, size, PROT_READ | PROT_WRITE) == 0 ? block : NULL;
}

/*
 * Memory in which any word is a list that comes back to itself at once, or one that does not for
 * very long, wherever the link is in a member; in which all is 0, or as large as it can be; or none,
 * or some that nobody has touched.
 */
static void *filled(const char *pattern)
{
    bool empty = strcmp(pattern, "nowhere") == 0 || strcmp(pattern, "waits") == 0;
    int access = strcmp(pattern, "nowhere") == 0 ? PROT_NONE : PROT_READ | PROT_WRITE;
    uintptr_t *word = mmap(NULL, 2 * WORDS * sizeof *word, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (word == MAP_FAILED)
        exit(1);
    for (size_t i = 0; !empty && i < 2 * WORDS; i++) {
        if (strcmp(pattern, "circle") == 0)
            word[i] = (uintptr_t)word;
        else if (strcmp(pattern, "long") == 0)
            word[i] = (uintptr_t)&word[(5 * i + 1) % WORDS];
        else if (strcmp(pattern, "ones") == 0)
            word[i] = UINTPTR_MAX;
    }
    return word;
}

/* Makes whoever reads a page of the memory wait, by faults that nobody serves; whether it can. */
static bool let_wait(void *memory)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register faults = {.range = {(uintptr_t)memory, 4096 * 16},
                                     .mode = UFFDIO_REGISTER_MODE_MISSING};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &faults) == 0;
}

/* The links alone stay as they are. */
static void spoil_numbers(const struct hak_stats_block *block)
{
    struct hak_heap *heap = *(struct hak_heap *const *)block->all_heaps;
    struct hak_counters *counters = *(struct hak_counters *const *)block->counters;
    SuperSlab *super = *(SuperSlab *const *)&block->chunks->member[0];
    memset((void *)counters->value, 0xff, sizeof counters->value);
    memset(heap->top, 0xff, sizeof heap->top);
    memset(heap->cached_spans, 0xff, sizeof heap->cached_spans);
    memset(&heap->thread, 0xff, sizeof heap->thread);
    memset((void *)&heap->draws, 0xff, sizeof heap->draws);
    memset((void *)&heap->requested_end, 0xff, sizeof heap->requested_end);
    memset(&heap->requested_before, 0xff, sizeof heap->requested_before);
    memset(super->slabs, 0xff, sizeof super->slabs);
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        memset((void *)&block->locks[i].lock->acquisitions, 0xff, 2 * sizeof(uint64_t));
}

/* As large as a block can be there, so that it agrees with the page map. */
static bool spoil_size(const struct hak_stats_block *block)
{
    uintptr_t address = (uintptr_t)malloc((size_t)40 << 20);
    struct hak_pagemap_place place = hak__pagemap_place(address);
    const struct hak_pagemap *map = block->page_map;
    uintptr_t distance = map->root[place.root];
    const struct hak_pagemap_leaf *leaf = (const void *)((uintptr_t)map->none + distance * sizeof(uint32_t));
    struct hak_span *span = leaf->record[place.index];
    if (address == 0 || distance == 0 || leaf->word[place.index] != HAK_CODE_HUGE)
        return false;
    span->size = hak__pagemap_address((struct hak_pagemap_place){HAK_ROOT_SIZE - 1, 0}) - address;
    return true;
}

static bool lead_astray(struct hak_stats_block *block, const char *pattern, const char *name)
{
    void *memory = filled(pattern);
    for (int i = 0; i < ADDRESSES; i++)
        if (strcmp(name, addresses[i].name) == 0)
            memcpy((char *)block + addresses[i].offset, &memory, sizeof memory);
    return strcmp(pattern, "waits") != 0 || let_wait(memory);
}

static void spoil_version(struct hak_stats_block *block, const char *version)
{
    memset(block->version, 'A', sizeof block->version);
    if (version[0] != '\0')
        snprintf(block->version, sizeof block->version, "%s", version);
}

int main(int argc, char **argv)
{
    struct hak_stats_block *block = own_block();
    void *volatile first = malloc(1); /* the records come with it */
    const char *what = argc > 1 ? argv[1] : "names";
    bool possible = true;
    if (block == NULL || first == NULL)
        return 1;
    if (argc == 4) {
        uint32_t value = (uint32_t)strtoul(argv[3], NULL, 0);
        memcpy((char *)block + strtoul(argv[2], NULL, 0), &value, sizeof value);
    } else if (argc == 3 && strcmp(what, "version") == 0) {
        spoil_version(block, argv[2]);
    } else if (argc == 3) {
        possible = lead_astray(block, what, argv[2]);
    } else if (strcmp(what, "numbers") == 0) {
        spoil_numbers(block);
    } else if (strcmp(what, "sizes") == 0) {
        possible = spoil_size(block);
    } else {
        for (int i = 0; i < ADDRESSES; i++)
            puts(addresses[i].name);
        return 0;
    }
    /* not by stdio, which allocates */
    const char *said = possible ? "ready\n" : "impossible\n";
    if (write(STDOUT_FILENO, said, strlen(said)) < 0)
        return 1;
    for (;;)
        pause();
}
