/* SPDX-License-Identifier: MIT */
/*
 * Writes profile.proto of pprof (github.com/google/pprof), compressed.
 *
 * Strings are kept in one table; functions, locations and mappings have numbers from 1 on. Each is
 * written when a sample first needs it. A sample is an entry of the profile. Where the threads of
 * an entry's blocks are known, what it has in use is written thread by thread, as several samples.
 *
 * Samples of a base have negative values and the label that pprof -diff_base gives them: pprof then
 * shows differences, in per cent of the base.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gzip.h"
#include "profile.h"
#include "protobuf.h"

/* The numbers of the fields in profile.proto. */
enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE,
    PROFILE_MAPPING,
    PROFILE_LOCATION,
    PROFILE_FUNCTION,
    PROFILE_STRING,
    PROFILE_DROP_FRAMES,
    PROFILE_TIME = 9,
    PROFILE_DURATION,
    PROFILE_PERIOD_TYPE,
    PROFILE_PERIOD,
    PROFILE_COMMENT,
    PROFILE_DEFAULT_SAMPLE_TYPE
};
enum type_field { TYPE_TYPE = 1, TYPE_UNIT };
enum sample_field { SAMPLE_LOCATIONS = 1, SAMPLE_VALUES, SAMPLE_LABEL };
enum label_field { LABEL_KEY = 1, LABEL_STRING, LABEL_NUMBER, LABEL_UNIT };
enum mapping_field {
    MAPPING_ID = 1,
    MAPPING_START,
    MAPPING_LIMIT,
    MAPPING_OFFSET,
    MAPPING_FILE,
    MAPPING_BUILD_ID,
    MAPPING_HAS_FUNCTIONS,
    MAPPING_HAS_FILES,
    MAPPING_HAS_LINES,
    MAPPING_HAS_INLINED
};
enum location_field { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum line_field { LINE_FUNCTION = 1, LINE_LINE };
enum function_field { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE };

/* Two values for each view. Readers that do not know default_sample_type show the last one. */
static const struct {
    enum profile_view view;
    const char *objects, *space;
} views[PROFILE_VIEWS] = {{PROFILE_ALLOCATED, "alloc_objects", "alloc_space"},
                          {PROFILE_AT_PEAK, "peak_objects", "peak_space"},
                          {PROFILE_IN_USE, "inuse_objects", "inuse_space"}};
enum { VALUES = 2 * PROFILE_VIEWS, OBJECTS_IN_USE = VALUES - 2, SPACE_IN_USE };

/*
 * pprof leaves these functions out, and all that they call. It does so, too, when it is the one
 * that finds the names. No function may stand here that calls one of the program.
 */
static const char drop_frames[] = "malloc|calloc|realloc|reallocarray|memalign|aligned_alloc|"
                                  "posix_memalign|valloc|pvalloc|hak_.*|operator new.*";

/* Something with a number; found by its key. */
struct item {
    uint64_t a, b; /* of a function: its strings; of a location: its frame, and see location() */
    char *text;    /* of a string; else NULL */
    uint64_t number;
};

/* Items with the numbers from 1 to count; a tree of tsearch(3). */
struct numbers {
    void *tree;
    uint64_t count;
};

struct writer {
    struct protobuf out;
    struct numbers strings, functions, locations;
    bool failed; /* for lack of memory */
};

/* What a thread has in use of an entry. */
struct part {
    size_t entry;
    uint32_t thread;
    struct profile_sum sum;
};

/* One of the two profiles. */
struct source {
    const struct profile *profile;
    double sign;            /* of its values; -1 for a base */
    uint64_t first_mapping; /* the number of mappings[0] */
    struct found {
        bool functions, lines; /* whether some were found */
    } * found;                 /* for each mapping */
    struct part *parts;        /* by entry, then by thread */
    size_t part_count;
};

/* ---- what is numbered -------------------------------------------------- */

static int compare_items(const void *a, const void *b)
{
    const struct item *one = a, *other = b;
    if (one->text != NULL)
        return strcmp(one->text, other->text);
    if (one->a != other->a)
        return one->a < other->a ? -1 : 1;
    return one->b < other->b ? -1 : one->b > other->b;
}

static void free_item(void *node)
{
    struct item *item = node;
    free(item->text);
    free(item);
}

/* The number of the item with a key; 0 without memory. *is_new: it was added now. */
static uint64_t number_of(struct writer *writer, struct numbers *numbers, struct item key,
                          bool *is_new)
{
    struct item **found = tfind(&key, &numbers->tree, compare_items);
    *is_new = false;
    if (found != NULL)
        return (*found)->number;
    struct item *item = malloc(sizeof *item);
    if (item != NULL) {
        *item = key;
        item->number = numbers->count + 1;
        item->text = key.text != NULL ? strdup(key.text) : NULL;
        *is_new = (item->text != NULL || key.text == NULL) &&
                  tsearch(item, &numbers->tree, compare_items) != NULL;
        if (*is_new)
            return ++numbers->count;
        free_item(item);
    }
    writer->failed = true;
    return 0;
}

/* The number of a string, which may be NULL; 0 of an empty one. */
static uint64_t string(struct writer *writer, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return 0;
    struct item key = {.text = strdup(text)};
    if (key.text == NULL) {
        writer->failed = true;
        return 0;
    }
    bool is_new;
    profile_clean(key.text);
    uint64_t number = number_of(writer, &writer->strings, key, &is_new);
    if (is_new)
        protobuf_bytes(&writer->out, PROFILE_STRING, key.text, strlen(key.text));
    free(key.text);
    return number;
}

/* The name is demangled already. As the system's name is the same, pprof shortens it as it is told
 * to. */
static uint64_t function(struct writer *writer, const struct profile_line *line)
{
    bool is_new;
    struct item key = {.a = string(writer, line->function), .b = string(writer, line->file)};
    uint64_t number = number_of(writer, &writer->functions, key, &is_new);
    if (is_new) {
        struct protobuf message = {0};
        protobuf_number(&message, FUNCTION_ID, number);
        protobuf_number(&message, FUNCTION_NAME, key.a);
        protobuf_number(&message, FUNCTION_SYSTEM_NAME, key.a);
        protobuf_number(&message, FUNCTION_FILE, key.b);
        protobuf_inner(&writer->out, PROFILE_FUNCTION, &message);
        protobuf_free(&message);
    }
    return number;
}

/* Whether the first line says more than where in a file the address is. */
static bool has_name(const struct profile_place *place)
{
    const struct profile_line *line = &place->lines[0];
    return line->file != NULL ||
           (line->function[0] != '[' && strstr(line->function, "+0x") == NULL);
}

static void put_location(struct writer *writer, const struct source *source, uint64_t number,
                         const struct profile_place *place, size_t first_line)
{
    struct protobuf message = {0}, inner = {0};
    protobuf_number(&message, LOCATION_ID, number);
    if (place->mapping != NULL) {
        size_t mapping = (size_t)(place->mapping - source->profile->mappings);
        protobuf_number(&message, LOCATION_MAPPING, source->first_mapping + mapping);
        source->found[mapping].functions |= has_name(place);
        source->found[mapping].lines |= place->lines[0].file != NULL;
    }
    protobuf_number(&message, LOCATION_ADDRESS, place->address);
    for (size_t i = first_line; i < place->line_count; i++) {
        protobuf_number(&inner, LINE_FUNCTION, function(writer, &place->lines[i]));
        protobuf_number(&inner, LINE_LINE, place->lines[i].line);
        protobuf_inner(&message, LOCATION_LINE, &inner);
    }
    protobuf_inner(&writer->out, PROFILE_LOCATION, &message);
    protobuf_free(&message);
    protobuf_free(&inner);
}

/* Without the lines before the first one: what was inlined there is the allocator's. */
static uint64_t location(struct writer *writer, const struct source *source, uint64_t frame,
                         const struct profile_place *place, size_t first_line)
{
    bool is_new;
    struct item key = {.a = frame, .b = first_line << 1 | (source->sign < 0)};
    uint64_t number = number_of(writer, &writer->locations, key, &is_new);
    if (is_new)
        put_location(writer, source, number, place, first_line);
    return number;
}

/* ---- samples ----------------------------------------------------------- */

/* Rounded, and limited to what an int64 holds. */
static int64_t whole(double value)
{
    static const double most = 9.2e18;
    double limited = value > most ? most : value < -most ? -most : value == value ? value : 0;
    return (int64_t)(limited < 0 ? limited - 0.5 : limited + 0.5);
}

/* The stack from the first line on that is not the allocator's, innermost first. */
static void put_stack(struct writer *writer, const struct source *source,
                      const struct profile_entry *entry, struct protobuf *sample)
{
    const struct profile_line *first = NULL;
    struct protobuf list = {0};
    bool begun = false;
    profile_lines(source->profile, entry, &first, 1);
    for (size_t i = 0; i < entry->depth; i++) {
        const struct profile_place *place = profile_place(source->profile, entry->frames[i]);
        bool begins = !begun && first >= place->lines && first < place->lines + place->line_count;
        begun = begun || begins;
        if (begun)
            protobuf_item(&list, location(writer, source, entry->frames[i], place,
                                          begins ? (size_t)(first - place->lines) : 0));
    }
    protobuf_inner(sample, SAMPLE_LOCATIONS, &list);
    protobuf_free(&list);
}

/* A label is a text, or a number with its unit. */
static void put_label(struct writer *writer, struct protobuf *sample, const char *key,
                      const char *text, uint64_t number, const char *unit)
{
    struct protobuf label = {0};
    protobuf_number(&label, LABEL_KEY, string(writer, key));
    protobuf_number(&label, LABEL_STRING, string(writer, text));
    protobuf_number(&label, LABEL_NUMBER, number);
    protobuf_number(&label, LABEL_UNIT, string(writer, unit));
    protobuf_inner(sample, SAMPLE_LABEL, &label);
    protobuf_free(&label);
}

/* A thread of 0 is not known. Writes nothing where all values are 0. */
static void put_sample(struct writer *writer, const struct source *source,
                       const struct profile_entry *entry, const int64_t *values, uint32_t thread)
{
    struct protobuf sample = {0}, list = {0};
    bool any = false;
    for (size_t i = 0; i < VALUES; i++) {
        any = any || values[i] != 0;
        protobuf_item(&list, (uint64_t)values[i]);
    }
    if (any) {
        put_stack(writer, source, entry, &sample);
        protobuf_inner(&sample, SAMPLE_VALUES, &list);
        put_label(writer, &sample, "bytes", NULL, entry->size, "bytes");
        char text[16];
        snprintf(text, sizeof text, "%" PRIu32, thread);
        if (thread != 0)
            put_label(writer, &sample, "thread", text, 0, NULL);
        if (source->sign < 0)
            put_label(writer, &sample, "pprof::base", "true", 0, NULL);
        protobuf_inner(&writer->out, PROFILE_SAMPLE, &sample);
    }
    protobuf_free(&sample);
    protobuf_free(&list);
}

/* What an entry has in use, shared out by what its parts have; their samples add up to the entry.
 */
static void put_parts(struct writer *writer, const struct source *source,
                      const struct profile_entry *entry, const struct part *parts, size_t count)
{
    const struct profile_sum *in_use = &entry->sum[PROFILE_IN_USE];
    struct profile_sum all = {0, 0}, until = {0, 0};
    int64_t blocks = 0, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        all.blocks += parts[i].sum.blocks;
        all.bytes += parts[i].sum.bytes;
    }
    for (size_t i = 0; i < count; i++) {
        until.blocks += parts[i].sum.blocks;
        until.bytes += parts[i].sum.bytes;
        int64_t blocks_until = whole(source->sign * in_use->blocks * (until.blocks / all.blocks));
        int64_t bytes_until = whole(source->sign * in_use->bytes * (until.bytes / all.bytes));
        int64_t values[VALUES] = {
            [OBJECTS_IN_USE] = blocks_until - blocks, [SPACE_IN_USE] = bytes_until - bytes};
        put_sample(writer, source, entry, values, parts[i].thread);
        blocks = blocks_until;
        bytes = bytes_until;
    }
}

static void put_samples(struct writer *writer, const struct source *source)
{
    const struct part *part = source->parts, *end = part + source->part_count;
    for (size_t i = 0; i < source->profile->entry_count; i++) {
        const struct profile_entry *entry = &source->profile->entries[i];
        const struct part *first = part;
        int64_t values[VALUES];
        for (size_t k = 0; k < PROFILE_VIEWS; k++) {
            values[2 * k] = whole(source->sign * entry->sum[views[k].view].blocks);
            values[2 * k + 1] = whole(source->sign * entry->sum[views[k].view].bytes);
        }
        while (part < end && part->entry == i)
            part++;
        if (part > first) {
            put_parts(writer, source, entry, first, (size_t)(part - first));
            values[OBJECTS_IN_USE] = values[SPACE_IN_USE] = 0;
        }
        put_sample(writer, source, entry, values, 0);
    }
}

/* ---- sources ----------------------------------------------------------- */

static int compare_parts(const void *a, const void *b)
{
    const struct part *one = a, *other = b;
    if (one->entry != other->entry)
        return one->entry < other->entry ? -1 : 1;
    return one->thread < other->thread ? -1 : one->thread > other->thread;
}

/* Adds up the samples of each entry and thread. */
static void collect_parts(struct source *source)
{
    const struct profile *profile = source->profile;
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        double bytes = sample->blocks * (double)sample->size;
        if (sample->entry < profile->entry_count && bytes > 0)
            source->parts[count++] =
                (struct part){sample->entry, sample->thread, {sample->blocks, bytes}};
    }
    if (count > 0)
        qsort(source->parts, count, sizeof *source->parts, compare_parts);
    for (size_t i = 0; i < count; i++) {
        struct part *last = &source->parts[kept > 0 ? kept - 1 : 0];
        if (kept > 0 && compare_parts(last, &source->parts[i]) == 0) {
            last->sum.blocks += source->parts[i].sum.blocks;
            last->sum.bytes += source->parts[i].sum.bytes;
        } else {
            source->parts[kept++] = source->parts[i];
        }
    }
    source->part_count = kept;
}

static void put_mappings(struct writer *writer, const struct source *source)
{
    for (size_t i = 0; i < source->profile->mapping_count; i++) {
        const struct profile_mapping *mapping = &source->profile->mappings[i];
        struct protobuf message = {0};
        char id[2 * PROFILE_BUILD_ID_MOST + 1] = "";
        for (size_t k = 0; k < mapping->build_id_size && k < PROFILE_BUILD_ID_MOST; k++)
            snprintf(id + 2 * k, 3, "%02x", mapping->build_id[k]);
        protobuf_number(&message, MAPPING_ID, source->first_mapping + i);
        protobuf_number(&message, MAPPING_START, mapping->start);
        protobuf_number(&message, MAPPING_LIMIT, mapping->end);
        protobuf_number(&message, MAPPING_OFFSET, mapping->offset);
        protobuf_number(&message, MAPPING_FILE, string(writer, mapping->path));
        protobuf_number(&message, MAPPING_BUILD_ID, string(writer, id));
        protobuf_number(&message, MAPPING_HAS_FUNCTIONS, source->found[i].functions);
        protobuf_number(&message, MAPPING_HAS_FILES, source->found[i].lines);
        protobuf_number(&message, MAPPING_HAS_LINES, source->found[i].lines);
        protobuf_number(&message, MAPPING_HAS_INLINED, source->found[i].lines);
        protobuf_inner(&writer->out, PROFILE_MAPPING, &message);
        protobuf_free(&message);
    }
}

static void put_source(struct writer *writer, const struct profile *profile, double sign,
                       uint64_t first_mapping)
{
    struct source source = {.profile = profile, .sign = sign, .first_mapping = first_mapping};
    source.found = calloc(profile->mapping_count + 1, sizeof *source.found);
    source.parts = calloc(profile->sample_count + 1, sizeof *source.parts);
    if (source.found != NULL && source.parts != NULL) {
        collect_parts(&source);
        put_samples(writer, &source);
        put_mappings(writer, &source);
    } else {
        writer->failed = true;
    }
    free(source.found);
    free(source.parts);
}

/* ---- the profile ------------------------------------------------------- */

static void put_type(struct writer *writer, enum profile_field field, const char *type,
                     const char *unit)
{
    struct protobuf message = {0};
    protobuf_number(&message, TYPE_TYPE, string(writer, type));
    protobuf_number(&message, TYPE_UNIT, string(writer, unit));
    protobuf_inner(&writer->out, field, &message);
    protobuf_free(&message);
}

__attribute__((format(printf, 2, 3))) static void put_comment(struct writer *writer,
                                                              const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    protobuf_number(&writer->out, PROFILE_COMMENT, string(writer, text));
}

static void put_header(struct writer *writer, const struct profile *profile)
{
    struct protobuf *out = &writer->out;
    protobuf_bytes(out, PROFILE_STRING, "", 0); /* the string with the number 0 */
    for (size_t i = 0; i < PROFILE_VIEWS; i++) {
        put_type(writer, PROFILE_SAMPLE_TYPE, views[i].objects, "count");
        put_type(writer, PROFILE_SAMPLE_TYPE, views[i].space, "bytes");
    }
    protobuf_number(out, PROFILE_DEFAULT_SAMPLE_TYPE,
                    string(writer, views[PROFILE_VIEWS - 1].space));
    protobuf_number(out, PROFILE_DROP_FRAMES, string(writer, drop_frames));
    put_type(writer, PROFILE_PERIOD_TYPE, "space", "bytes");
    protobuf_number(out, PROFILE_PERIOD, profile->interval > 0 ? profile->interval : 1);
    protobuf_number(out, PROFILE_DURATION, (uint64_t)whole(profile->seconds * 1e9));
    if (profile->name[0] != '\0')
        put_comment(writer, "program: %s", profile->name);
    if (profile->pid != 0) { /* it was read from the process just now */
        protobuf_number(out, PROFILE_TIME, (uint64_t)time(NULL) * 1000000000);
        put_comment(writer, "process: %d", (int)profile->pid);
    }
    if (profile->samples_dropped > 0)
        put_comment(writer, "samples dropped: %" PRIu64, profile->samples_dropped);
}

bool profile_write_pprof(FILE *out, const struct profile *profile, const struct profile *base)
{
    struct writer writer = {0};
    put_header(&writer, profile);
    put_source(&writer, profile, 1, 1);
    if (base != NULL)
        put_source(&writer, base, -1, 1 + profile->mapping_count);
    bool failed = writer.failed || writer.out.failed;
    if (failed)
        errno = ENOMEM;
    bool good = !failed && gzip_write(out, writer.out.bytes, writer.out.size);
    int error = errno;
    tdestroy(writer.strings.tree, free_item);
    tdestroy(writer.functions.tree, free_item);
    tdestroy(writer.locations.tree, free_item);
    protobuf_free(&writer.out);
    errno = error;
    return good;
}
