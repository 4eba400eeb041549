/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "profile_tables.h"

#include <errno.h>
#include <string.h>

#include "profile/tables.h"

/* Far more than the library keeps by default. */
enum { SAMPLES_MOST = 1 << 22, SITES_MOST = 1 << 21, WORDS_MOST = 1 << 25 };

struct reader {
    struct profile *profile;
    const struct remote_memory *memory;
    uintptr_t address; /* of struct hak_profile there */
};

/* Copies of the tables. */
struct tables {
    const struct hak_sample *samples;
    const struct hak_site *sites;
    const uint64_t *words; /* of stacks */
    size_t sample_count, site_count, word_count;
};

static enum profile_tables_result fetch(const struct reader *reader, uintptr_t from, void *to,
                                        size_t size)
{
    errno = EFAULT;
    return reader->memory->read(reader->memory->context, (const void *)from, to, size)
               ? PROFILE_TABLES_READ
               : PROFILE_TABLES_UNREADABLE;
}

/* Looks anew how long a table is, so that what was read before leads to records that are in it. */
static enum profile_tables_result fetch_table(const struct reader *reader, size_t offset,
                                              size_t record_size, size_t most, const void **records,
                                              size_t *count)
{
    struct hak_profile_table table;
    enum profile_tables_result result =
        fetch(reader, reader->address + offset, &table, sizeof table);
    if (result != PROFILE_TABLES_READ)
        return result;
    *count = 0;
    *records = NULL;
    if (table.used == 0)
        return PROFILE_TABLES_READ;
    if (table.used > table.most)
        return PROFILE_TABLES_DAMAGED;
    if (table.used > most)
        return PROFILE_TABLES_TOO_LARGE;
    void *copy = profile_room(reader->profile, table.used, record_size);
    if (copy == NULL)
        return PROFILE_TABLES_TOO_LARGE;
    *records = copy;
    *count = table.used;
    return fetch(reader, (uintptr_t)table.records, copy, table.used * record_size);
}

/* Samples lead to sites, and sites to stacks, so they are read in this order. */
static enum profile_tables_result fetch_tables(const struct reader *reader, struct tables *tables)
{
    const void *records[3];
    enum profile_tables_result result =
        fetch_table(reader, offsetof(struct hak_profile, samples), sizeof(struct hak_sample),
                    SAMPLES_MOST, &records[0], &tables->sample_count);
    if (result == PROFILE_TABLES_READ)
        result = fetch_table(reader, offsetof(struct hak_profile, sites), sizeof(struct hak_site),
                             SITES_MOST, &records[1], &tables->site_count);
    if (result == PROFILE_TABLES_READ)
        result = fetch_table(reader, offsetof(struct hak_profile, stacks), sizeof(uint64_t),
                             WORDS_MOST, &records[2], &tables->word_count);
    if (result != PROFILE_TABLES_READ)
        return result;
    tables->samples = records[0];
    tables->sites = records[1];
    tables->words = records[2];
    return result;
}

static struct profile_sum sum_of(const struct hak_profile_sum *sum)
{
    return (struct profile_sum){(double)sum->blocks / (1 << HAK_PROFILE_WEIGHT_SHIFT),
                                (double)sum->bytes};
}

/* False when the site leads to no stack: it is damaged, or was being made. */
static bool convert_site(const struct tables *tables, const struct hak_site *site,
                         struct profile_entry *entry)
{
    struct hak_stack stack;
    static_assert(sizeof stack == sizeof *tables->words, "a stack begins with one word");
    if (site->stack >= tables->word_count)
        return false;
    memcpy(&stack, &tables->words[site->stack], sizeof stack);
    if (stack.depth == 0 || stack.depth > HAK_PROFILE_DEPTH ||
        stack.depth > tables->word_count - site->stack - 1)
        return false;
    entry->frames = &tables->words[site->stack + 1];
    entry->depth = stack.depth;
    entry->sum[PROFILE_ALLOCATED] = sum_of(&site->allocated);
    entry->sum[PROFILE_IN_USE] = sum_of(&site->in_use);
    entry->sum[PROFILE_AT_PEAK] = sum_of(&site->at_peak);
    const struct profile_sum *all = &entry->sum[PROFILE_ALLOCATED];
    double size = all->blocks > 0 ? all->bytes / all->blocks : 0;
    entry->size = size < 0x1p62 ? (uint64_t)size : 0;
    return true;
}

/* entry_of[i]: the entry of site i, or UINT32_MAX. */
static bool convert_sites(struct profile *profile, const struct tables *tables, uint32_t *entry_of)
{
    profile->entries = profile_room(profile, tables->site_count, sizeof *profile->entries);
    if (profile->entries == NULL)
        return false;
    for (size_t i = 0; i < tables->site_count; i++) {
        entry_of[i] = UINT32_MAX;
        if (convert_site(tables, &tables->sites[i], &profile->entries[profile->entry_count]))
            entry_of[i] = (uint32_t)profile->entry_count++;
    }
    return true;
}

/* The peak is recorded in steps: what is in use now may be a little above the last one. */
static void raise_peak(struct profile *profile)
{
    double in_use = 0, at_peak = 0;
    for (size_t i = 0; i < profile->entry_count; i++) {
        in_use += profile->entries[i].sum[PROFILE_IN_USE].bytes;
        at_peak += profile->entries[i].sum[PROFILE_AT_PEAK].bytes;
    }
    for (size_t i = 0; i < profile->entry_count && in_use > at_peak; i++)
        profile->entries[i].sum[PROFILE_AT_PEAK] = profile->entries[i].sum[PROFILE_IN_USE];
}

static double seconds_between(uint64_t since, uint64_t now)
{
    return now > since ? (double)(now - since) / 10 : 0;
}

static bool convert_samples(struct profile *profile, const struct tables *tables,
                            const uint32_t *entry_of, uint64_t now)
{
    profile->samples = profile_room(profile, tables->sample_count, sizeof *profile->samples);
    if (profile->samples == NULL)
        return false;
    for (size_t i = 0; i < tables->sample_count; i++) {
        const struct hak_sample *sample = &tables->samples[i];
        if (sample->address == 0 || sample->site >= tables->site_count ||
            entry_of[sample->site] == UINT32_MAX)
            continue;
        profile->samples[profile->sample_count++] = (struct profile_sample){
            .address = sample->address,
            .entry = entry_of[sample->site],
            .size = sample->size,
            .blocks = (double)sample->weight / (1 << HAK_PROFILE_WEIGHT_SHIFT),
            .seconds = seconds_between(sample->tenths, now),
            .thread = sample->thread};
    }
    return true;
}

/* The newest sample is the nearest to the time of a core that can be known. */
static uint64_t newest(const struct tables *tables)
{
    uint64_t now = 0;
    for (size_t i = 0; i < tables->sample_count; i++)
        if (tables->samples[i].address != 0 && tables->samples[i].tenths > now)
            now = tables->samples[i].tenths;
    return now;
}

static enum profile_tables_result read_header(struct reader *reader, uint64_t *began,
                                              uint32_t *resets)
{
    struct hak_profile header;
    enum profile_tables_result result = fetch(reader, reader->address, &header, sizeof header);
    if (result != PROFILE_TABLES_READ)
        return result;
    if (header.began_tenths == 0) /* nothing else is set then */
        return header.interval != 0 ? PROFILE_TABLES_NOT_YET : PROFILE_TABLES_NEVER_USED;
    if (header.sample_size != sizeof(struct hak_sample) ||
        header.site_size != sizeof(struct hak_site))
        return PROFILE_TABLES_OTHER;
    *began = header.began_tenths;
    *resets = header.resets;
    reader->profile->interval = header.shortest_interval != 0 ? header.shortest_interval : header.interval;
    reader->profile->interval_most = header.longest_interval != 0 ? header.longest_interval : header.interval;
    reader->profile->running = header.interval != 0;
    reader->profile->has_peak = true;
    reader->profile->has_samples = true;
    reader->profile->samples_taken = header.samples_taken;
    reader->profile->samples_dropped = header.samples_dropped;
    return PROFILE_TABLES_READ;
}

/* Begins anew when the profile is reset meanwhile, which uses the tables from their start. */
static enum profile_tables_result fetch_all(struct reader *reader, struct tables *tables,
                                            uint64_t *began)
{
    enum { TRIES = 3 };
    uint32_t resets, resets_before;
    for (int i = 0;; i++) {
        enum profile_tables_result result = read_header(reader, began, &resets_before);
        if (result == PROFILE_TABLES_READ)
            result = fetch_tables(reader, tables);
        if (result == PROFILE_TABLES_READ)
            result = fetch(reader, reader->address + offsetof(struct hak_profile, resets), &resets,
                           sizeof resets);
        if (result != PROFILE_TABLES_READ)
            return result;
        if (resets == resets_before)
            return PROFILE_TABLES_READ;
        if (i == TRIES)
            return PROFILE_TABLES_DAMAGED;
    }
}

enum profile_tables_result profile_tables_read(struct profile *profile,
                                               const struct remote_memory *memory,
                                               uintptr_t address, uint64_t now)
{
    struct reader reader = {profile, memory, address};
    struct tables tables;
    uint64_t began = 0;
    enum profile_tables_result result = fetch_all(&reader, &tables, &began);
    if (result != PROFILE_TABLES_READ)
        return result;
    uint32_t *entry_of = profile_room(profile, tables.site_count, sizeof *entry_of);
    if (now == 0)
        now = newest(&tables);
    if (entry_of == NULL || !convert_sites(profile, &tables, entry_of) ||
        !convert_samples(profile, &tables, entry_of, now))
        return PROFILE_TABLES_TOO_LARGE;
    raise_peak(profile);
    profile->seconds = seconds_between(began, now);
    return PROFILE_TABLES_READ;
}
