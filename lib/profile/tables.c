/* SPDX-License-Identifier: MIT */
#include "profile/tables.h"

#include <string.h>

#include "base/bits.h"
#include "base/mix.h"
#include "base/params.h"
#include "core/meta.h"
#include "core/options.h"
#include "os/os.h"
#include "page/locked.h"

HAK_WRITTEN_OFTEN struct hak_lock hak__profile_lock;
HAK_WRITTEN_OFTEN struct hak_profile hak__profile;

/*
 * An index finds the records of a table by a hash. It grows with the table, a bucket with each record
 * (linear hashing), so that few samples touch few pages: a bucket that comes takes its records from one
 * that is there. References are numbers of records plus one.
 */
enum kind { BY_ADDRESS, BY_PLACE, BY_FRAMES, INDEXES };
struct index {
    uint32_t *first; /* of a bucket's records, linked by next */
    uint32_t buckets, most;
};

/* Nothing of this is touched before the profiler is switched on. */
static HAK_SPARSE struct {
    struct hak_sample *sample;
    struct hak_site *site;
    uint64_t *word;         /* of records of struct hak_stack */
    struct index index[INDEXES];
    uint32_t free_samples;  /* linked by next */
    size_t counted;         /* bytes of all this, among those of records */
} tables;

static _Atomic bool prepared; /* release when the tables are there */

static_assert(sizeof(struct hak_stack) == sizeof(uint64_t), "a stack begins with one word");

/* ---- indexes ----------------------------------------------------------- */

static uint32_t hash_of(uint64_t value)
{
    return (uint32_t)(hak__mix(value ^ 0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u) >> 16);
}

static uint32_t hash_of_place(uint32_t stack, uint32_t bucket)
{
    return hash_of((uint64_t)stack << 32 | bucket);
}

static struct hak_stack *stack_at(uint32_t at)
{
    return (struct hak_stack *)(void *)&tables.word[at];
}

static uint32_t hash_of_frames(const uint64_t *frames, uint32_t depth)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < depth; i++)
        hash = hash_of(frames[i] ^ hash << 7) ^ hash << 32;
    return (uint32_t)(hash ^ hash >> 32);
}

/* Of the stack at a place: they follow its record. */
static uint64_t *frames_of(uint32_t at)
{
    return &tables.word[at + 1];
}

static uint32_t hash_of_record(enum kind kind, uint32_t record)
{
    return kind == BY_ADDRESS ? hash_of(tables.sample[record].address)
           : kind == BY_PLACE ? hash_of_place(tables.site[record].stack, tables.site[record].bucket)
                              : hash_of_frames(frames_of(record), stack_at(record)->depth);
}

static uint32_t *next_of(enum kind kind, uint32_t record)
{
    return kind == BY_ADDRESS ? &tables.sample[record].next
           : kind == BY_PLACE ? &tables.site[record].next
                              : &stack_at(record)->next;
}

/* Of the buckets that a power of two would have those at the end are not there yet. */
static uint32_t *bucket_of(enum kind kind, uint32_t hash)
{
    const struct index *index = &tables.index[kind];
    uint32_t power = 1u << hak__log2_ceil(index->buckets), at = hash & (power - 1);
    return &index->first[at < index->buckets ? at : at - power / 2];
}

static void grow(enum kind kind)
{
    struct index *index = &tables.index[kind];
    if (index->buckets == index->most)
        return;
    uint32_t half = 0x80000000u >> __builtin_clz(index->buckets);
    uint32_t *from = &index->first[index->buckets - half], *to = &index->first[index->buckets];
    index->buckets++;
    *to = 0;
    while (*from != 0) {
        uint32_t reference = *from, *next = next_of(kind, reference - 1);
        if (bucket_of(kind, hash_of_record(kind, reference - 1)) == to) {
            *from = *next;
            *next = *to;
            *to = reference;
        } else {
            from = next;
        }
    }
}

/* Records of samples serve again: there are never more buckets than records. */
static void enter(enum kind kind, uint32_t record)
{
    if (kind != BY_ADDRESS || tables.index[kind].buckets < hak__profile.samples.used)
        grow(kind);
    uint32_t *first = bucket_of(kind, hash_of_record(kind, record));
    *next_of(kind, record) = *first;
    *first = record + 1;
}

static void begin_index(enum kind kind, void *first, uint32_t most)
{
    tables.index[kind] = (struct index){.first = first, .most = most, .buckets = 1};
    tables.index[kind].first[0] = 0;
}

static void empty(enum kind kind)
{
    struct index *index = &tables.index[kind];
    memset(index->first, 0, index->buckets * sizeof *index->first);
    index->buckets = 1;
}

/* ---- room -------------------------------------------------------------- */

/* What has memory by now is counted among the records, by and by. */
static void count_room(void)
{
    enum { STEP = 16 << 10 };
    size_t used = hak__profile.samples.used * sizeof *tables.sample + hak__profile.sites.used * sizeof *tables.site +
                  hak__profile.stacks.used * sizeof *tables.word;
    for (int i = 0; i < INDEXES; i++)
        used += tables.index[i].buckets * sizeof *tables.index[i].first;
    while (used > tables.counted) {
        tables.counted += STEP;
        hak_add_relaxed(&hak__metadata_bytes, STEP);
    }
}

/* How many records of a size fit into a share of the memory, each with a bucket. */
static uint32_t fitting(size_t share, size_t record)
{
    size_t count = share / (record + sizeof(uint32_t));
    return count < UINT32_MAX / 2 ? (uint32_t)count : UINT32_MAX / 2;
}

/*
 *     samples 5/16 | their index | sites 3/16 | their index | stacks 8/16 | their index
 *
 * A stack has about 30 frames, or 4 at least; so one bucket for 16 words does.
 */
static void lay_out(char *memory, size_t size)
{
    enum { WORDS_A_BUCKET = 16 };
    size_t part = hak__align_down(size / 16, HAK_CACHE_LINE);
    uint32_t most_samples = fitting(5 * part, sizeof *tables.sample), most_sites = fitting(3 * part, sizeof *tables.site);
    uint32_t buckets = fitting(8 * part, WORDS_A_BUCKET * sizeof *tables.word);
    tables.sample = (void *)memory;
    tables.site = (void *)(memory + 5 * part);
    tables.word = (void *)(memory + 8 * part);
    begin_index(BY_ADDRESS, tables.sample + most_samples, most_samples);
    begin_index(BY_PLACE, tables.site + most_sites, most_sites);
    begin_index(BY_FRAMES, tables.word + (size_t)buckets * WORDS_A_BUCKET, buckets);
    hak__profile.samples = (struct hak_profile_table){tables.sample, 0, most_samples};
    hak__profile.sites = (struct hak_profile_table){tables.site, 0, most_sites};
    hak__profile.stacks = (struct hak_profile_table){tables.word, 0, buckets * WORDS_A_BUCKET};
}

static uint64_t tenths_now(void)
{
    return (uint64_t)hak__os_now_ms() / 100;
}

/*
 * The lock, unless a signal handler has interrupted its holder: what that one is about waits then for
 * another time. Who forks holds it and may pass (os/lock.h).
 */
static bool lock(void)
{
    if (hak_unlikely(hak__lock_is_mine(&hak__profile_lock)) && !hak__profile_lock.forked)
        return false;
    hak__lock_acquire(&hak__profile_lock);
    return true;
}

static void unlock(void)
{
    hak__lock_release(&hak__profile_lock);
}

bool hak__profile_prepare(void)
{
    enum { LOCKED = 1 << 20 };
    if (hak_likely(hak_load_acquire(&prepared)))
        return true;
    size_t size = hak__align_up((size_t)hak__option(HAK_OPTION_PROFILE_MAX), hak__os_page_size());
    if (hak__locked_in_future() && size > LOCKED)
        size = LOCKED; /* all of it gets memory at once */
    char *memory = hak__os_map_record(size);
    if (memory != NULL)
        hak__os_huge_pages(memory, size, false);
    if (memory == NULL || !lock())
        return false;
    bool first = !hak_load_relaxed(&prepared);
    if (first) {
        lay_out(memory, size);
        hak__profile.sample_size = sizeof *tables.sample;
        hak__profile.site_size = sizeof *tables.site;
        hak__profile.began_tenths = tenths_now();
        hak_store_release(&prepared, true);
    }
    unlock();
    if (!first)
        hak__os_unmap_record(memory, size);
    return true;
}

/* ---- stacks and sites -------------------------------------------------- */

static bool has_frames(uint32_t at, const struct hak_profile_block *block)
{
    return stack_at(at)->depth == block->depth &&
           memcmp(frames_of(at), block->frames, block->depth * sizeof *block->frames) == 0;
}

/* The stack of a block; one that is not known yet is written behind the last one. */
static bool find_stack(const struct hak_profile_block *block, uint32_t *stack)
{
    struct hak_profile_table *table = &hak__profile.stacks;
    uint32_t known = *bucket_of(BY_FRAMES, hash_of_frames(block->frames, block->depth)), at = table->used;
    while (known != 0 && !has_frames(known - 1, block))
        known = stack_at(known - 1)->next;
    *stack = known != 0 ? known - 1 : at;
    if (known != 0)
        return true;
    if (block->depth + 1 > table->most - at)
        return false;
    stack_at(at)->depth = block->depth;
    memcpy(frames_of(at), block->frames, block->depth * sizeof *block->frames);
    table->used += block->depth + 1;
    enter(BY_FRAMES, at);
    hak__profile.stacks_cut += block->depth == HAK_PROFILE_DEPTH;
    return true;
}

static bool find_site(uint32_t stack, uint32_t bucket, uint32_t *site)
{
    struct hak_profile_table *table = &hak__profile.sites;
    for (uint32_t known = *bucket_of(BY_PLACE, hash_of_place(stack, bucket)); known != 0;
         known = tables.site[known - 1].next) {
        *site = known - 1;
        if (tables.site[*site].stack == stack && tables.site[*site].bucket == bucket)
            return true;
    }
    if (table->used == table->most)
        return false;
    *site = table->used++;
    tables.site[*site] = (struct hak_site){.stack = stack, .bucket = bucket};
    enter(BY_PLACE, *site);
    return true;
}

uint32_t hak__profile_bucket(uint64_t size)
{
    if (size < 4)
        return (uint32_t)size;
    unsigned power = 63 - (unsigned)__builtin_clzll(size);
    return (power - 1) * 4 + (uint32_t)(size >> (power - 2) & 3);
}

uint64_t hak__profile_bucket_size(uint32_t bucket)
{
    return bucket < 4 ? bucket : (uint64_t)(4 + bucket % 4) << (bucket / 4 - 1);
}

/* ---- sums -------------------------------------------------------------- */

uint64_t hak__profile_bytes(uint64_t size, uint64_t weight)
{
    return (uint64_t)((double)size * (double)weight / (1 << HAK_PROFILE_WEIGHT_SHIFT) + 0.5);
}

static void add(struct hak_profile_sum *sum, uint64_t blocks, uint64_t bytes)
{
    sum->blocks += blocks;
    sum->bytes += bytes;
}

/* Of the site and of all. */
static void count_in_use(struct hak_site *site, const struct hak_sample *sample)
{
    uint64_t bytes = hak__profile_bytes(sample->size, sample->weight);
    add(&site->in_use, sample->weight, bytes);
    add(&hak__profile.in_use, sample->weight, bytes);
}

/* Takes back what count_in_use has counted. */
static void uncount_in_use(struct hak_site *site, const struct hak_sample *sample)
{
    uint64_t bytes = hak__profile_bytes(sample->size, sample->weight);
    add(&site->in_use, -sample->weight, -bytes); /* wrap as intended */
    add(&hak__profile.in_use, -sample->weight, -bytes);
}

/*
 * The peak is recorded again when use is a twentieth above the last record. So the record is never more
 * than a twentieth too low, and costs a constant for each sample while the number of sites stays the same.
 */
static void look_at_peak(void)
{
    enum { PART = 20, LEAST = 64 << 10 };
    uint64_t before = hak__profile.at_peak.bytes;
    if (hak__profile.in_use.bytes < before + before / PART + LEAST)
        return;
    hak__profile.at_peak = hak__profile.in_use;
    hak__profile.peak_tenths = tenths_now();
    for (uint32_t i = 0; i < hak__profile.sites.used; i++)
        tables.site[i].at_peak = tables.site[i].in_use;
}

/* ---- samples ----------------------------------------------------------- */

/* What leads to the record of a block: the last link is 0 if it has none. */
static uint32_t *link_to(uint64_t address)
{
    uint32_t *link = bucket_of(BY_ADDRESS, hash_of(address));
    while (*link != 0 && tables.sample[*link - 1].address != address)
        link = &tables.sample[*link - 1].next;
    return link;
}

static void end_sample(uint32_t *link)
{
    uint32_t number = *link - 1;
    struct hak_sample *sample = &tables.sample[number];
    uncount_in_use(&tables.site[sample->site], sample);
    *link = sample->next;
    sample->address = 0;
    sample->next = tables.free_samples;
    tables.free_samples = number + 1;
    hak__profile.samples_in_use--;
}

static bool new_sample(uint32_t *number)
{
    struct hak_profile_table *table = &hak__profile.samples;
    if (tables.free_samples != 0) {
        *number = tables.free_samples - 1;
        tables.free_samples = tables.sample[*number].next;
        return true;
    }
    *number = table->used;
    if (table->used == table->most)
        return false;
    table->used++;
    return true;
}

static void note_interval(uint64_t interval)
{
    struct hak_profile *profile = &hak__profile;
    if (profile->shortest_interval == 0 || interval < profile->shortest_interval)
        profile->shortest_interval = interval;
    if (interval > profile->longest_interval)
        profile->longest_interval = interval;
}

static bool add_locked(const struct hak_profile_block *block)
{
    uint32_t stack = 0, site = 0, number = 0;
    uint64_t address = (uintptr_t)block->address;
    uint32_t *stale = link_to(address);
    if (*stale != 0) /* a signal handler has freed it while the tables were in use */
        end_sample(stale);
    if (!find_stack(block, &stack) || !find_site(stack, hak__profile_bucket(block->size), &site) ||
        !new_sample(&number))
        return false;
    tables.sample[number] = (struct hak_sample){.address = address, .size = block->size,
                                          .weight = block->weight, .site = site,
                                          .thread = block->thread,
                                          .tenths = (uint32_t)tenths_now()};
    enter(BY_ADDRESS, number);
    hak__profile.samples_in_use++;
    hak__profile.samples_taken++;
    tables.site[site].samples++;
    count_in_use(&tables.site[site], &tables.sample[number]);
    uint64_t bytes = hak__profile_bytes(block->size, block->weight);
    add(&tables.site[site].allocated, block->weight, bytes);
    add(&hak__profile.allocated, block->weight, bytes);
    note_interval(block->interval);
    count_room();
    look_at_peak();
    return true;
}

bool hak__profile_add(const struct hak_profile_block *block)
{
    if (!lock())
        return false;
    bool added = add_locked(block);
    hak__profile.samples_dropped += !added;
    unlock();
    return added;
}

void hak__profile_drop(void)
{
    if (!lock())
        return;
    hak__profile.samples_dropped++;
    unlock();
}

void hak__profile_end(const void *address)
{
    if (!hak_load_acquire(&prepared) || !lock())
        return;
    uint32_t *link = link_to((uintptr_t)address);
    if (*link != 0)
        end_sample(link);
    unlock();
}

/* What a block has grown by was allocated; where it weighs less than before it stands for fewer blocks. */
static void count_grown(struct hak_site *site, const struct hak_sample *before, const struct hak_sample *now)
{
    uint64_t blocks = now->weight - before->weight; /* wraps as intended */
    uint64_t bytes = hak__profile_bytes(now->size, now->weight) - hak__profile_bytes(before->size, before->weight);
    add(&site->allocated, blocks, bytes);
    add(&hak__profile.allocated, blocks, bytes);
}

bool hak__profile_resize(const void *address, size_t size, hak__profile_weigh *weigh, size_t grown)
{
    if (!lock())
        return false;
    uint32_t *link = link_to((uintptr_t)address);
    bool known = *link != 0;
    if (known) {
        struct hak_sample *sample = &tables.sample[*link - 1], before = *sample;
        struct hak_site *site = &tables.site[sample->site];
        uncount_in_use(site, sample);
        sample->size = size;
        if (grown != 0)
            sample->weight = weigh(sample->weight, grown);
        count_in_use(site, sample);
        if (size > before.size)
            count_grown(site, &before, sample);
        look_at_peak();
    }
    unlock();
    return known;
}

bool hak__profile_find(const void *address, size_t *size, uint64_t *bytes)
{
    if (!lock())
        return false;
    uint32_t number = *link_to((uintptr_t)address);
    if (number != 0) {
        const struct hak_sample *sample = &tables.sample[number - 1];
        *size = (size_t)sample->size;
        *bytes = hak__profile_bytes(sample->size, sample->weight);
    }
    unlock();
    return number != 0;
}

void hak__profile_rename(const void *from, const void *to)
{
    if (!lock())
        return;
    uint32_t *link = link_to((uintptr_t)from);
    if (*link != 0) {
        uint32_t number = *link - 1;
        *link = tables.sample[number].next;
        tables.sample[number].address = (uintptr_t)to;
        link = bucket_of(BY_ADDRESS, hash_of(tables.sample[number].address));
        tables.sample[number].next = *link;
        *link = number + 1;
    }
    unlock();
}

/* Memory that the tables had stays with them, and is counted. */
void hak__profile_reset(void)
{
    if (!hak_load_acquire(&prepared) || !lock())
        return;
    struct hak_profile *profile = &hak__profile;
    empty(BY_ADDRESS);
    empty(BY_PLACE);
    empty(BY_FRAMES);
    tables.free_samples = 0;
    memset(tables.sample, 0, profile->samples.used * sizeof *tables.sample);
    profile->samples.used = profile->sites.used = profile->stacks.used = 0;
    profile->allocated = profile->in_use = profile->at_peak = (struct hak_profile_sum){0, 0};
    profile->samples_taken = profile->samples_dropped = profile->peak_tenths = 0;
    profile->samples_in_use = profile->stacks_cut = 0;
    profile->began_tenths = tenths_now();
    profile->shortest_interval = profile->longest_interval = 0;
    profile->resets++;
    unlock();
}

uint32_t hak__profile_site(uint32_t number, struct hak_site *site, uint64_t frames[HAK_PROFILE_DEPTH])
{
    uint32_t depth = 0;
    if (!hak_load_acquire(&prepared) || !lock())
        return 0;
    if (number < hak__profile.sites.used) {
        *site = tables.site[number];
        depth = stack_at(site->stack)->depth;
        memcpy(frames, frames_of(site->stack), depth * sizeof *frames);
    }
    unlock();
    return depth;
}

void hak__profile_copy(struct hak_profile *copy)
{
    bool locked = lock();
    *copy = hak__profile;
    if (locked)
        unlock();
}
