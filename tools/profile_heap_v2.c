/* SPDX-License-Identifier: MIT */
/*
 * The format heap_v2 of gperftools, which pprof and google-pprof read:
 *
 *     heap profile: 3: 30720 [5: 51200] @ heap_v2/524288
 *          1: 10240 [1: 10240] @ 0x55d0c0de 0x55d0beef
 *     MAPPED_LIBRARIES:
 *     55d0a000-55d0f000 r-xp 00001000 08:01 1234 /usr/bin/program
 *     # build-id 55d0a000 7b2290...
 *
 * Numbers are those of sampled blocks and bytes, in use and, in brackets, allocated. Who reads the
 * file divides them by the probability that a block of that size is sampled. The comment with the
 * build ID is ours; others skip it. Of jemalloc's variant the lines "t*" are read, which stand below
 * the line of their stack.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "profile.h"

enum { FRAMES_MOST = 1024 };

/* ---- weights ----------------------------------------------------------- */

/* The probability that a block of about that size is sampled. */
static double probability(double size, uint64_t interval)
{
    return interval <= 1 || size <= 0 ? 1 : -expm1(-size / (double)interval);
}

/* From what was sampled to an estimate of all. */
static struct profile_sum scaled(struct profile_sum sampled, uint64_t interval)
{
    double share = sampled.blocks > 0 ? probability(sampled.bytes / sampled.blocks, interval) : 1;
    return (struct profile_sum){sampled.blocks / share, sampled.bytes / share};
}

struct profile_sum profile_sampled(struct profile_sum all, uint64_t interval)
{
    double share = all.blocks > 0 ? probability(all.bytes / all.blocks, interval) : 1;
    struct profile_sum sampled = {rint(all.blocks * share), rint(all.bytes * share)};
    if (sampled.blocks < 1 && all.blocks > 0 && sampled.bytes >= 1)
        sampled.blocks = 1;
    return sampled;
}

/* ---- reading ----------------------------------------------------------- */

struct reader {
    struct profile *profile;
    const char *path;
    unsigned line;
    const char *error;
    size_t entry_room, mapping_room;
    bool of_jemalloc;
    const uint64_t *frames; /* of the stack that jemalloc's next lines are about */
    size_t depth;
};

static bool wrong(struct reader *reader, const char *error)
{
    reader->error = error;
    return false;
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

/* Reads a number and what follows it; NULL if the text is another. */
static const char *parse_number(const char *text, const char *then, double *number)
{
    char *end;
    text = skip_blanks(text);
    if (!isdigit((unsigned char)*text))
        return NULL;
    *number = (double)strtoull(text, &end, 10);
    text = skip_blanks(end);
    size_t length = strlen(then);
    return strncmp(text, then, length) == 0 ? text + length : NULL;
}

/* "1: 10240 [1: 10240]", in use and allocated. */
static const char *parse_sums(const char *text, struct profile_sum *in_use,
                              struct profile_sum *allocated)
{
    if ((text = parse_number(text, ":", &in_use->blocks)) == NULL ||
        (text = parse_number(text, "[", &in_use->bytes)) == NULL ||
        (text = parse_number(text, ":", &allocated->blocks)) == NULL)
        return NULL;
    return parse_number(text, "]", &allocated->bytes);
}

static bool parse_frames(struct reader *reader, const char *text)
{
    uint64_t frames[FRAMES_MOST];
    size_t depth = 0;
    for (text = skip_blanks(text); *text != '\0'; text = skip_blanks(text)) {
        char *end;
        if (strncmp(text, "0x", 2) != 0 || !isxdigit((unsigned char)text[2]))
            return wrong(reader, "not an address like 0x401136");
        uint64_t frame = strtoull(text, &end, 16);
        if (depth < FRAMES_MOST)
            frames[depth++] = frame;
        text = end;
    }
    uint64_t *copy = profile_room(reader->profile, depth, sizeof *copy);
    if (copy == NULL)
        return wrong(reader, "the file is too large");
    memcpy(copy, frames, depth * sizeof *copy);
    reader->frames = copy;
    reader->depth = depth;
    return true;
}

static bool add_entry(struct reader *reader, struct profile_sum in_use, struct profile_sum allocated)
{
    struct profile *profile = reader->profile;
    size_t count = profile->entry_count;
    if (count == reader->entry_room) {
        reader->entry_room = count == 0 ? 1024 : 2 * count;
        struct profile_entry *more = profile_room(profile, reader->entry_room, sizeof *more);
        if (more == NULL)
            return wrong(reader, "the file is too large");
        if (count > 0)
            memcpy(more, profile->entries, count * sizeof *more);
        profile->entries = more;
    }
    struct profile_entry *entry = &profile->entries[profile->entry_count++];
    const struct profile_sum *any = allocated.blocks > 0 ? &allocated : &in_use;
    *entry = (struct profile_entry){.frames = reader->frames, .depth = reader->depth};
    entry->size = any->blocks > 0 ? (uint64_t)(any->bytes / any->blocks) : 0;
    entry->sum[PROFILE_IN_USE] = scaled(in_use, profile->interval);
    entry->sum[PROFILE_ALLOCATED] = scaled(allocated, profile->interval);
    return true;
}

static bool parse_interval(struct reader *reader, const char *text)
{
    char *end;
    errno = 0;
    reader->profile->interval = reader->profile->interval_most = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || errno != 0 || *end != '\0')
        return wrong(reader, "not a sampling interval");
    return true;
}

static bool parse_first_line(struct reader *reader, const char *line)
{
    static const char gperftools[] = "heap profile:", jemalloc[] = "heap_v2/";
    struct profile_sum in_use, allocated;
    if (strncmp(line, jemalloc, sizeof jemalloc - 1) == 0) {
        reader->of_jemalloc = true;
        return parse_interval(reader, line + sizeof jemalloc - 1);
    }
    if (line[0] == '\x1f') /* the beginning of a compressed file */
        return wrong(reader, "a compressed file, such as one for pprof; use pprof, or save the profile as .heap");
    if (strncmp(line, gperftools, sizeof gperftools - 1) != 0)
        return wrong(reader, "not a heap profile; hakmem profile -o NAME.heap PID saves one");
    const char *text = parse_sums(line + sizeof gperftools - 1, &in_use, &allocated);
    text = text != NULL ? skip_blanks(text) : NULL;
    if (text == NULL || *text != '@')
        return wrong(reader, "expected 'heap profile: COUNT: BYTES [COUNT: BYTES] @ heap_v2/INTERVAL'");
    text = skip_blanks(text + 1);
    if (strncmp(text, jemalloc, sizeof jemalloc - 1) == 0)
        return parse_interval(reader, text + sizeof jemalloc - 1);
    /* one that counts every block */
    return strcmp(text, "heapprofile") == 0 ||
           wrong(reader, "the kind of heap profile is not heap_v2");
}

static bool parse_stack(struct reader *reader, const char *line)
{
    struct profile_sum in_use, allocated;
    const char *text = parse_sums(line, &in_use, &allocated);
    text = text != NULL ? skip_blanks(text) : NULL;
    if (text == NULL || *text != '@')
        return wrong(reader, "expected 'COUNT: BYTES [COUNT: BYTES] @ ADDRESS...'");
    return parse_frames(reader, text + 1) && add_entry(reader, in_use, allocated);
}

static bool parse_stack_of_jemalloc(struct reader *reader, const char *line)
{
    struct profile_sum in_use, allocated;
    line = skip_blanks(line);
    if (*line == '@')
        return parse_frames(reader, line + 1);
    if (*line != 't')
        return wrong(reader, "expected '@ ADDRESS...' or 't*: COUNT: BYTES [COUNT: BYTES]'");
    /* before the first stack all are summed up; the lines of single threads are in that of all */
    if (reader->frames == NULL || strncmp(line, "t*:", 3) != 0)
        return true;
    if (parse_sums(line + 3, &in_use, &allocated) == NULL)
        return wrong(reader, "expected 't*: COUNT: BYTES [COUNT: BYTES]'");
    return add_entry(reader, in_use, allocated);
}

static void parse_build_id(struct profile *profile, const char *text)
{
    uint64_t start;
    int length = 0;
    if (sscanf(text, "# build-id %" SCNx64 " %n", &start, &length) != 1 || length == 0 ||
        profile->mapping_count == 0)
        return;
    struct profile_mapping *mapping = &profile->mappings[profile->mapping_count - 1];
    unsigned byte;
    if (mapping->start != start)
        return;
    for (text += length; mapping->build_id_size < PROFILE_BUILD_ID_MOST &&
                         sscanf(text, "%2x", &byte) == 1 && text[1] != '\0'; text += 2)
        mapping->build_id[mapping->build_id_size++] = (unsigned char)byte;
}

/* Lines that are none of a mapping are others' additions. */
static bool parse_mapping(struct reader *reader, char *line)
{
    struct profile_map_line map;
    if (*line == '#')
        parse_build_id(reader->profile, line);
    else if (profile_parse_map(line, &map) && map.executable && map.path[0] != '\0' &&
             !profile_add_mapping(reader->profile, &map, &reader->mapping_room))
        return wrong(reader, "the file is too large");
    return true;
}

static bool parse_lines(struct reader *reader, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    bool good = true, in_mappings = false;
    while (good && getline(&line, &room, file) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (reader->line++ == 0)
            good = parse_first_line(reader, line);
        else if (strncmp(line, "MAPPED_LIBRARIES:", 17) == 0)
            in_mappings = true;
        else if (in_mappings)
            good = parse_mapping(reader, line);
        else if (*skip_blanks(line) != '\0' && *line != '#')
            good = reader->of_jemalloc ? parse_stack_of_jemalloc(reader, line)
                                       : parse_stack(reader, line);
    }
    free(line);
    if (good && reader->line == 0)
        return wrong(reader, "the file is empty");
    return good;
}

/* The name of the file stands for that of the program. */
static void set_name(struct profile *profile, const char *path)
{
    const char *slash = strrchr(path, '/');
    strncpy(profile->name, slash != NULL ? slash + 1 : path, sizeof profile->name - 1);
    profile_clean(profile->name);
}

bool profile_read_heap_v2(struct profile *profile, const char *path)
{
    struct reader reader = {.profile = profile, .path = path};
    FILE *file = fopen(path, "re");
    errno = file != NULL ? 0 : errno;
    bool good = file != NULL && parse_lines(&reader, file);
    if (file == NULL || ferror(file))
        command_error("%s: %s", path, strerror(errno != 0 ? errno : EIO));
    else if (!good)
        command_error("%s:%u: %s", path, reader.line > 0 ? reader.line : 1, reader.error);
    good = good && !ferror(file);
    if (file != NULL)
        fclose(file);
    profile_sort_mappings(profile);
    set_name(profile, path);
    profile->of_text = true;
    return good;
}

/* ---- writing ----------------------------------------------------------- */

static void write_sums(FILE *out, struct profile_sum in_use, struct profile_sum allocated)
{
    fprintf(out, "%6.0f: %8.0f [%6.0f: %8.0f] @", in_use.blocks, in_use.bytes, allocated.blocks,
            allocated.bytes);
}

static void write_mapping(FILE *out, const struct profile_mapping *mapping)
{
    fprintf(out, "%08" PRIx64 "-%08" PRIx64 " r-xp %08" PRIx64 " 00:00 0 %s%s\n", mapping->start,
            mapping->end, mapping->offset, mapping->path, mapping->deleted ? " (deleted)" : "");
    if (mapping->build_id_size == 0)
        return;
    fprintf(out, "# build-id %" PRIx64 " ", mapping->start);
    for (size_t i = 0; i < mapping->build_id_size; i++)
        fprintf(out, "%02x", mapping->build_id[i]);
    putc('\n', out);
}

/* google-pprof looks in front of all addresses of a stack but the first; others of all of them. */
bool profile_write_heap_v2(FILE *out, const struct profile *profile, enum profile_view view)
{
    enum profile_view first = view == PROFILE_AT_PEAK ? PROFILE_AT_PEAK : PROFILE_IN_USE;
    uint64_t interval = profile->interval > 0 ? profile->interval : 1;
    struct profile_sum total[2] = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < profile->entry_count; i++)
        for (int k = 0; k < 2; k++) {
            struct profile_sum sum = profile_sampled(
                profile->entries[i].sum[k == 0 ? first : PROFILE_ALLOCATED], interval);
            total[k].blocks += sum.blocks;
            total[k].bytes += sum.bytes;
        }
    fputs("heap profile: ", out);
    write_sums(out, total[0], total[1]);
    fprintf(out, " heap_v2/%" PRIu64 "\n", interval);
    for (size_t i = 0; i < profile->entry_count; i++) {
        const struct profile_entry *entry = &profile->entries[i];
        struct profile_sum in_use = profile_sampled(entry->sum[first], interval);
        struct profile_sum allocated = profile_sampled(entry->sum[PROFILE_ALLOCATED], interval);
        if (in_use.blocks <= 0 && allocated.blocks <= 0)
            continue;
        write_sums(out, in_use, allocated);
        for (size_t k = 0; k < entry->depth; k++)
            fprintf(out, " 0x%08" PRIx64, entry->frames[k] - (k == 0 && entry->frames[k] != 0 && !profile->of_text));
        putc('\n', out);
    }
    fputs("\nMAPPED_LIBRARIES:\n", out);
    for (size_t i = 0; i < profile->mapping_count; i++)
        write_mapping(out, &profile->mappings[i]);
    return !ferror(out);
}
