/* SPDX-License-Identifier: MIT */
/* The colours of a map, and the words for what is in it. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "map.h"
#include "number_text.h"
#include "profile.h"

/* ---- colours ----------------------------------------------------------- */

uint32_t map_mix(uint32_t from, uint32_t to, double part)
{
    uint32_t colour = 0;
    for (unsigned shift = 0; shift < 24; shift += 8) {
        double a = from >> shift & 0xff, b = to >> shift & 0xff;
        colour |= (uint32_t)(a + (b - a) * part + 0.5) << shift;
    }
    return colour;
}

/* The scale is viridis of matplotlib, whose brightness alone tells its colours apart. The others are not on it. */
uint32_t map_colour(enum map_key key)
{
    static const uint32_t scale[] = {0x482475, 0x414487, 0x355f8d, 0x2a788e, 0x21918c,
                                     0x22a884, 0x44bf70, 0x7ad151, 0xbddf26, 0xfde725};
    enum { STEPS = sizeof scale / sizeof scale[0] - 1 };
    if ((int)key < (int)HAK_CLASS_COUNT) {
        double at = (double)key * STEPS / (HAK_CLASS_COUNT - 1);
        int step = (int)at < STEPS ? (int)at : STEPS - 1;
        return map_mix(scale[step], scale[step + 1], at - step);
    }
    return key == MAP_STARTER ? 0xd9865f : key == MAP_EMPTY ? 0x9aa4ae : 0x7b8794;
}

/* ---- words ------------------------------------------------------------- */

void map_format_count(char *text, size_t size, uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t at = 0;
    for (int i = 0; i < length && at + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

void map_describe_key(char *text, size_t size, enum map_key key)
{
    static const char *const names[] = {[MAP_STARTER] = "first blocks of the process, of all sizes",
                                        [MAP_LARGE] = "large blocks",
                                        [MAP_HUGE] = "huge blocks",
                                        [MAP_EMPTY] = "unused"};
    char number[32];
    if ((int)key >= (int)HAK_CLASS_COUNT) {
        snprintf(text, size, "%s", names[key]);
        return;
    }
    map_format_count(number, sizeof number, hak__class_size(key));
    snprintf(text, size, "%s-byte blocks", number);
}

struct words {
    char *text;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
    va_list arguments;
    if (words->length + 1 >= words->size)
        return;
    va_start(arguments, format);
    int length = vsnprintf(words->text + words->length, words->size - words->length, format, arguments);
    va_end(arguments);
    words->length += length > 0 ? (size_t)length : 0;
    if (words->length >= words->size)
        words->length = words->size - 1;
}

static void say_bytes(struct words *words, const char *before, double bytes, const char *after)
{
    say(words, "%s%s%s", before, number_bytes(bytes).text, after);
}

static void say_share(struct words *words, const struct map_share *share)
{
    const struct {
        double bytes;
        const char *after;
    } rows[] = {{share->allocated, " allocated"}, {share->cached, " cached"}, {share->free, " free"},
                {share->retained, " retained"}, {share->absent, " not resident"}};
    const char *before = "\n";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].bytes >= 1) {
            say_bytes(words, before, rows[i].bytes, rows[i].after);
            before = ", ";
        }
}

static void say_blocks(struct words *words, const struct reader_part *part)
{
    uint32_t out = part->live + part->cached;
    say(words, "\n%" PRIu32 " of %" PRIu32 " block%s allocated", part->live, part->capacity, number_s(part->capacity));
    if (part->cached != 0)
        say(words, ", %" PRIu32 " cached", part->cached);
    if (out < part->capacity)
        say(words, ", %" PRIu32 " free", part->capacity - out);
    if (part->returned != 0)
        say(words, "\n%" PRIu32 " of the free blocks have no memory: it was returned to the system", part->returned);
}

static void say_large(struct words *words, const struct reader_part *part)
{
    say_bytes(words, part->kind == READER_PART_HUGE ? "huge block of " : "large block of ", (double)part->size, "");
    if (part->cached != 0)
        say(words, ", freed and kept for reuse");
}

void map_describe_part(char *text, size_t size, const struct map_part *map_part)
{
    struct words words = {text, size, 0};
    const struct reader_part *part = &map_part->part;
    struct map_share share = map_share_of(map_part);
    char name[60];
    map_describe_key(name, sizeof name, map_key_of(part));
    if (part->kind == READER_PART_LARGE || part->kind == READER_PART_HUGE)
        say_large(&words, part);
    else if (part->kind == READER_PART_SLOT)
        say(&words, "unused part of a SuperSlab");
    else if (part->kind == READER_PART_SPARE)
        say(&words, "unused part of the page arena");
    else
        say(&words, "%s", name);
    if (part->kind == READER_PART_SLAB && part->class_idx == HAK_CLASS_STARTER)
        say(&words, "\n%" PRIu32 " block%s allocated", part->live, number_s(part->live));
    else if (part->kind == READER_PART_SLAB)
        say_blocks(&words, part);
    say_share(&words, &share);
    if (part->heap != 0)
        say(&words, "\nheap %" PRIu32, part->heap);
    else if (part->sampled)
        say(&words, "\nwatched by the heap profiler");
    say_bytes(&words, "\n", (double)part->bytes, "");
    say(&words, " at %#" PRIxPTR, part->start);
}

void map_describe_box(char *text, size_t size, const struct map_box *box)
{
    struct words words = {text, size, 0};
    char name[60];
    if (box->part != NULL) {
        map_describe_part(text, size, box->part);
        return;
    }
    map_describe_key(name, sizeof name, box->key);
    say(&words, "%s", name);
    if (box->key < MAP_LARGE)
        say(&words, " in %" PRIu64 " slab%s", box->sums[box->key].parts, number_s(box->sums[box->key].parts));
    say_share(&words, &box->share);
    for (int i = 0, others = 0; i < MAP_KEYS; i++) {
        double bytes = map_share_bytes(&box->sums[i].share);
        if (i == (int)box->key || bytes < 1)
            continue;
        map_describe_key(name, sizeof name, (enum map_key)i);
        if (others == 4) {
            say(&words, ", and others");
            break;
        }
        say_bytes(&words, others++ == 0 ? "\nbeside " : ", ", bytes, " of ");
        say(&words, "%s", name);
    }
}

void map_describe_sum(char *text, size_t size, enum map_key key, const struct map_sum *sum)
{
    struct words words = {text, size, 0};
    char name[60], count[32];
    map_describe_key(name, sizeof name, key);
    say(&words, "%s", name);
    if (key <= MAP_STARTER) {
        map_format_count(count, sizeof count, sum->parts);
        say(&words, " in %s slab%s", count, number_s(sum->parts));
    }
    if (key != MAP_EMPTY) {
        map_format_count(count, sizeof count, sum->blocks);
        say(&words, "\n%s block%s allocated", count, number_s(sum->blocks));
    }
    if (sum->cached != 0) {
        map_format_count(count, sizeof count, sum->cached);
        say(&words, ", %s cached", count);
    }
    say_share(&words, &sum->share);
}
