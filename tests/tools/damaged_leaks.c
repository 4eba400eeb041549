/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config.h"

#include "damaged_leaks.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leaks.h"
#include "reader/chain.h"
#include "reader/lost.h"
#include "reader/own.h"
#include "reader/remote_block.h"
#include "reader/roots.h"

enum {
    PAGE = 4096,
    READS = 1 << 15,
    MEGABYTES = 64,   /* that are read at most; then nothing can be read any more */
    MAPPINGS = 12,
    MAPPING_MOST = 1 << 18,
    THREADS = 4,
    WORDS = 64        /* of the registers of a thread */
};

static _Noreturn void fail(const char *text)
{
    fprintf(stderr, "search for leaks: %s\n", text);
    abort();
}

/* ---- memory ------------------------------------------------------------ */

/* Any page that the snapshot does not have is a part of the bytes, whose words lead to blocks and records. */
struct wild {
    const struct remote_memory *inner;
    const uint8_t *bytes;
    size_t size;
    uintptr_t image; /* where an ELF file is mapped */
    uint64_t reads_left, bytes_left;
    uint64_t state; /* of random_number */
};

static uint64_t mix(uint64_t number)
{
    number *= 0x9e3779b97f4a7c15u;
    return number ^ number >> 29;
}

static uint64_t random_number(struct wild *wild)
{
    wild->state = mix(wild->state + 1);
    return wild->state;
}

/* One of the words, at any place. */
static uint64_t random_word(struct wild *wild)
{
    uint64_t word;
    memcpy(&word, wild->bytes + random_number(wild) % (wild->size / 8) * 8, sizeof word);
    return word;
}

static void fill(const struct wild *wild, uintptr_t from, uint8_t *to, size_t size)
{
    for (size_t part; size > 0; from += part, to += part, size -= part) {
        size_t place = (size_t)(mix(from / PAGE) % (wild->size / 8) * 8 + from % PAGE) % wild->size;
        part = PAGE - from % PAGE < size ? PAGE - from % PAGE : size;
        part = part < wild->size - place ? part : wild->size - place;
        memcpy(to, wild->bytes + place, part);
    }
}

/* The headers of the file are such that they are looked at; what they say is made of the bytes. */
static void fill_image(const struct wild *wild, uintptr_t from, uint8_t *to, size_t size)
{
    static union {
        uint8_t byte[PAGE];
        ElfW(Ehdr) file;
    } page;
    fill(wild, wild->image, page.byte, PAGE);
    memcpy(page.file.e_ident, ELFMAG, SELFMAG);
    page.file.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    page.file.e_phentsize = sizeof(ElfW(Phdr));
    page.file.e_phnum %= 70;
    if (page.byte[PAGE - 1] % 8 != 0)
        page.file.e_phoff = sizeof page.file;
    for (size_t i = 0; i < 50; i++) {
        ElfW(Word) type = page.byte[PAGE - 2 - i] % 2 == 0 ? PT_LOAD : PT_NOTE;
        memcpy(page.byte + sizeof page.file + i * sizeof(ElfW(Phdr)) + offsetof(ElfW(Phdr), p_type), &type,
               sizeof type);
    }
    memcpy(to, page.byte + (from - wild->image), size);
}

static bool fill_wild(struct wild *wild, uintptr_t from, void *to, size_t size)
{
    uint64_t unreadable = mix(from / PAGE ^ wild->size) >> 60;
    if (wild->reads_left == 0 || size > wild->bytes_left || (unreadable == 0 && from - wild->image >= PAGE)) {
        errno = EFAULT;
        return false;
    }
    wild->reads_left--;
    wild->bytes_left -= size;
    if (from - wild->image < PAGE && size <= PAGE - (from - wild->image))
        fill_image(wild, from, to, size);
    else
        fill(wild, from, to, size);
    return true;
}

static bool read_wild(const void *context, const void *from, void *to, size_t size)
{
    struct wild *wild = (struct wild *)(uintptr_t)context;
    return remote_read(wild->inner, (uintptr_t)from, to, size) || fill_wild(wild, (uintptr_t)from, to, size);
}

static bool read_starts(const void *context, uintptr_t from, size_t step, size_t count, uint64_t (*words)[2])
{
    struct wild *wild = (struct wild *)(uintptr_t)context;
    if (remote_read_starts(wild->inner, from, step, count, words))
        return true;
    for (size_t i = 0; i < count; i++)
        if (!read_wild(wild, (const void *)(from + i * step), words[i], sizeof words[i]))
            return false;
    return true;
}

/* ---- what else a process has ------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const struct reader_mapping *one = a, *other = b;
    return one->start < other->start ? -1 : one->start > other->start;
}

/* Some lie around blocks, which are then read as far as they are mapped; others anywhere. */
static void make_mappings(struct wild *wild, const struct live *live, struct reader_mappings *mappings)
{
    size_t kept = 0;
    *mappings = (struct reader_mappings){.mapping = calloc(MAPPINGS, sizeof *mappings->mapping), .pages = -1,
                                         .page_size = PAGE, .program = random_number(wild) % 4, .room = MAPPINGS};
    if (mappings->mapping == NULL)
        fail("no memory");
    for (size_t i = 0; i < MAPPINGS; i++) {
        uint64_t bits = random_number(wild);
        uintptr_t start = (uintptr_t)random_word(wild);
        if (i % 3 == 1 && live->single_count > 0)
            start = live->singles[bits % live->single_count].start + (bits >> 20) % 3 * PAGE;
        if (i % 3 == 2 && live->slab_count > 0)
            start = live->slabs[bits % live->slab_count].start;
        start &= ~(uintptr_t)(PAGE - 1);
        if (start > UINTPTR_MAX - MAPPING_MOST - PAGE)
            start = (uintptr_t)i * MAPPING_MOST;
        mappings->mapping[i] = (struct reader_mapping){
            .start = start, .end = start + PAGE + (bits >> 32) % MAPPING_MOST / PAGE * PAGE,
            .readable = bits % 8 != 0, .writable = bits % 7 != 0, .shared = bits % 5 == 0, .is_stack = bits % 11 == 0,
            .is_device = bits % 13 == 0, .inode = i == 0 ? 5 : bits % 3, .offset = i == 0 ? 0 : bits % 2 * PAGE};
    }
    qsort(mappings->mapping, MAPPINGS, sizeof *mappings->mapping, by_start);
    for (size_t i = 0; i < MAPPINGS; i++)
        if (kept == 0 || mappings->mapping[kept - 1].end <= mappings->mapping[i].start)
            mappings->mapping[kept++] = mappings->mapping[i];
    mappings->count = kept;
    for (size_t i = 0; i < kept; i++)
        if (mappings->mapping[i].inode == 5)
            wild->image = mappings->mapping[i].start;
}

static void make_threads(struct wild *wild, const struct reader_mappings *mappings, struct roots_threads *threads)
{
    *threads = (struct roots_threads){.thread = calloc(THREADS, sizeof *threads->thread)};
    for (; threads->thread != NULL && threads->count < THREADS; threads->count++) {
        struct roots_thread *thread = &threads->thread[threads->count];
        const struct reader_mapping *stack = &mappings->mapping[random_number(wild) % mappings->count];
        uint64_t bits = random_number(wild);
        thread->words = malloc(WORDS * sizeof *thread->words);
        if (thread->words == NULL)
            fail("no memory");
        for (thread->count = 0; thread->count < WORDS; thread->count++)
            thread->words[thread->count] = (uintptr_t)random_word(wild);
        thread->sp = bits % 8 == 0 ? thread->words[0] : stack->start + (bits >> 8) % (stack->end - stack->start);
        thread->tls = bits % 4 == 0 ? thread->words[1] : thread->sp + (bits >> 40) % PAGE;
    }
    threads->unread = random_number(wild) % 4 == 0;
}

/* ---- what is found ----------------------------------------------------- */

struct finding {
    struct leaks *leaks;
    struct live *live;
    struct reach *reach;
    uint64_t seen, firsts;
    uint32_t owner;
};

static uint64_t count(const struct live *live, enum live_bit bit)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < live->room / 64; i++)
        sum += (uint64_t)__builtin_popcountll(live->bits[bit][i]);
    return sum;
}

static void group(const struct live_block *block, bool first, void *context)
{
    struct finding *finding = context;
    struct live *live = finding->live;
    uint64_t words[2];
    if (!live_has(live, LIVE_WANTED, block->number) || !live_has(live, LIVE_IN_USE, block->number))
        fail("a block is lost that is none");
    if (first && !live_has(live, LIVE_FIRST, block->number))
        fail("a block is no first one");
    finding->seen++;
    finding->firsts += first;
    struct leaks_group like = {.indirect = !first, .size = block->size, .entry = LEAKS_NO_STACK,
                               .owner = first ? LEAKS_NO_GROUP : finding->owner};
    struct leaks_block listed = {.address = block->start};
    if (reach_peek(finding->reach, block, words) && words[0] % 4 == 0)
        like.word = words[0];
    uint32_t number = leaks_add(finding->leaks, &like, block->number % 3 == 0 ? &listed : NULL);
    if (first)
        finding->owner = number;
}

static void check_groups(const struct leaks *leaks)
{
    struct leaks_sum sum = leaks->ungrouped, through = {0};
    for (size_t i = 0; i < leaks->group_count; i++) {
        const struct leaks_group *one = &leaks->groups[i];
        uint64_t listed = 0;
        sum.blocks += one->sum.blocks;
        sum.bytes += one->sum.bytes;
        through.blocks += one->through.blocks;
        through.bytes += one->through.bytes;
        for (const struct leaks_block *block = one->list; block != NULL; block = block->next)
            listed++;
        if (listed > one->sum.blocks || one->sum.bytes != one->sum.blocks * one->size)
            fail("a group has other blocks");
        if (one->indirect && one->through.blocks != 0)
            fail("an indirect group has others");
        if (i > 0 && (leaks->groups[i - 1].indirect > one->indirect ||
                      (leaks->groups[i - 1].indirect == one->indirect &&
                       leaks_total(&leaks->groups[i - 1]) < leaks_total(one))))
            fail("groups are in no order");
    }
    if (leaks->ungrouped.blocks == 0 &&
        (through.blocks != leaks->indirect.blocks || through.bytes != leaks->indirect.bytes))
        fail("indirect blocks are lost with no direct one");
    if (sum.blocks != leaks->direct.blocks + leaks->indirect.blocks ||
        sum.bytes != leaks->direct.bytes + leaks->indirect.bytes)
        fail("blocks are in no group");
}

static void find_lost(struct live *live, struct reach *reach)
{
    struct profile *profile = profile_new();
    struct leaks *leaks = profile != NULL ? profile_room(profile, 1, sizeof *leaks) : NULL;
    struct finding finding = {.leaks = leaks, .live = live, .reach = reach};
    if (leaks == NULL)
        fail("no memory");
    leaks->profile = profile;
    uint64_t lost = count(live, LIVE_WANTED);
    if (!lost_find_first(reach, group, &finding))
        fail("no memory");
    if (finding.seen != lost || finding.firsts != count(live, LIVE_FIRST))
        fail("not each lost block is shown once");
    leaks_sort(leaks);
    check_groups(leaks);
    profile_free(profile);
}

/* ---- look-ups ---------------------------------------------------------- */

static void look_up(const struct live *live, uintptr_t address)
{
    struct live_block block;
    if (live_find(live, address, &block) && (address < block.start || address - block.start >= block.size))
        fail("an address lies in another block");
}

/* At the ends of blocks, and anywhere. */
static void look_up_some(struct wild *wild, const struct live *live)
{
    for (size_t i = 0; i < 100; i++)
        look_up(live, (uintptr_t)random_word(wild));
    for (size_t i = 0; i < live->single_count && i < 1000; i++)
        look_up(live, live->singles[i].start + (uintptr_t)live->singles[i].size);
    for (size_t i = 0; i < live->slab_count && i < 1000; i++)
        look_up(live, live->slabs[i].start + (uintptr_t)live->slabs[i].count * live->slabs[i].size - i % 2);
}

/* ---- the search -------------------------------------------------------- */

static void look_at_image(const struct remote_memory *memory, uintptr_t start)
{
    uintptr_t end = 0, block = 0;
    unsigned char id[REMOTE_BUILD_ID_MOST];
    if (remote_image_end(memory, start, &end) && end <= start)
        fail("an image ends before it starts");
    if (remote_build_id(memory, start, id) > sizeof id)
        fail("a build ID is too long");
    remote_block_find(memory, start, &block);
}

/* ---- chains ------------------------------------------------------------ */

static bool take_block(struct live *live, const struct live_block *block, void *context)
{
    struct live_block *taken = context, again;
    if (!live_numbered(live, block->number, &again) || again.start != block->start || again.size != block->size)
        fail("a block has not its number");
    *taken = *block;
    return block->start % 7 != 0;
}

/* To one of the blocks, whichever it is. */
static void find_chain(struct wild *wild, const struct remote_memory *memory, struct live *live, struct roots *roots,
                       const struct roots_threads *threads)
{
    struct chain chain = {.live = live, .memory = memory, .roots = roots, .has_marks = true,
                          .secret = random_word(wild), .pointers_most = 10};
    live_each(live, LIVE_IN_USE, take_block, &chain.target);
    if (chain.target.size == 0)
        return;
    live_unset_all(live, LIVE_FIRST);
    live_unset_all(live, LIVE_SEARCHED);
    if (!chain_begin(&chain) || !roots_read_threads(roots, threads, chain_roots, &chain) ||
        !roots_read_memory(roots, chain_roots, &chain))
        fail("no memory");
    chain_find(&chain);
    if (chain.pointer_count > chain.pointers_most || chain.pointer_count > chain.pointer_total ||
        chain.is_reached != (chain.link_count > 0))
        fail("a chain has no end");
    for (size_t i = 0; i < chain.link_count && i < CHAIN_SHOWN; i++)
        if (chain.links[i].is_root != (i == 0) || (i > 0 && chain.links[i].block.size == 0))
            fail("a chain has no root");
    chain_free(&chain);
}

static void follow(struct wild *wild, const struct remote_memory *memory, struct live *live, struct roots *roots,
                   const struct hak_stats_block *block)
{
    struct roots_threads threads;
    struct reach *reach = reach_new(live, memory, &roots->mappings);
    if (reach == NULL || !live_add_bits(live))
        fail("no memory");
    reach->has_marks = block->checks != 0;
    reach->secret = random_word(wild);
    live_copy(live, LIVE_WANTED, LIVE_IN_USE, LIVE_IN_USE);
    make_threads(wild, &roots->mappings, &threads);
    if (!roots_read_threads(roots, &threads, reach_words, reach) || !roots_read_memory(roots, reach_words, reach))
        fail("no memory");
    reach_all(reach);
    for (size_t i = 0; i < live->slab_count; i++)
        if (live->slabs[i].queued)
            fail("a slab stays in the queue");
    live_copy(live, LIVE_WANTED, LIVE_WANTED, LIVE_REACHED);
    wild->reads_left = READS; /* what is lost has contents, too */
    find_lost(live, reach);
    wild->reads_left = READS;
    find_chain(wild, memory, live, roots, &threads);
    roots_free_threads(&threads);
    reach_free(reach);
}

uint64_t damaged_search(const struct remote_memory *memory, const struct hak_stats_block *block, uintptr_t address,
                        const uint8_t *bytes, size_t size)
{
    struct wild wild = {.inner = memory, .bytes = bytes, .size = size, .reads_left = READS, .state = size,
                        .bytes_left = (uint64_t)MEGABYTES << 20};
    struct remote_memory all = {.read = read_wild, .starts = read_starts, .context = &wild,
                                .page_size = memory->page_size};
    struct live live;
    struct roots roots = {.memory = &all, .mappings.pages = -1};
    for (size_t i = 0; i + 8 <= size; i += 8 + size / 64 / 8 * 8) { /* so that each input has its own mappings */
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        wild.state = mix(wild.state ^ word);
    }
    enum reader_result result = live_read(&live, &all, block, random_number(&wild) % 2 == 0);
    uint64_t blocks = result == READER_DONE ? live.blocks : 0;
    if (result == READER_DONE && count(&live, LIVE_IN_USE) != live.blocks)
        fail("other blocks are in use");
    if (result == READER_DONE) {
        look_up_some(&wild, &live);
        make_mappings(&wild, &live, &roots.mappings);
        look_at_image(&all, wild.image);
        result = own_read(&roots.none, &all, block, address, &live, &roots.mappings);
        if (result == READER_NO_MEMORY)
            fail("the library's memory has no end");
        wild.reads_left = READS;
        wild.bytes_left = (uint64_t)MEGABYTES << 20;
        follow(&wild, &all, &live, &roots, block);
    }
    mappings_free(&roots.mappings);
    ranges_free(&roots.none);
    live_free(&live);
    return blocks;
}
