/* SPDX-License-Identifier: MIT */
/* A map for programs: what the RSS is made of, and each part of the address space, in bytes. */
#include <inttypes.h>

#include "json_text.h"
#include "map.h"

static void put_part(FILE *out, const struct map_part *map_part)
{
    static const char *const kinds[] = {[READER_PART_SLAB] = "slab", [READER_PART_SLOT] = "slot",
                                        [READER_PART_LARGE] = "large", [READER_PART_HUGE] = "huge",
                                        [READER_PART_SPARE] = "spare"};
    const struct reader_part *part = &map_part->part;
    struct map_share share = map_share_of(map_part);
    fprintf(out, "{\"address\":%" PRIuPTR ",\"kind\":\"%s\",\"bytes\":%" PRIu64, part->start,
            kinds[part->kind], part->bytes);
    fprintf(out, ",\"resident_bytes\":%.0f,\"allocated_rss_bytes\":%.0f,\"cached_rss_bytes\":%.0f",
            (double)part->bytes - share.absent, share.allocated, share.cached);
    if (part->size != 0)
        fprintf(out, ",\"block_bytes\":%" PRIu64, part->size);
    if (part->capacity != 0)
        fprintf(out, ",\"blocks\":%" PRIu32, part->capacity);
    if (part->capacity != 0 || part->live != 0)
        fprintf(out, ",\"allocated_blocks\":%" PRIu32 ",\"cached_blocks\":%" PRIu32, part->live, part->cached);
    if (part->returned != 0)
        fprintf(out, ",\"returned_blocks\":%" PRIu32, part->returned);
    if (part->heap != 0)
        fprintf(out, ",\"heap\":%" PRIu32, part->heap);
    if (part->sampled)
        fputs(",\"profiled\":true", out);
    putc('}', out);
}

bool map_write_json(FILE *out, const struct map *map)
{
    struct map_total totals[MAP_TOTALS];
    map_totals(map, totals);
    fputs("{\"schema\":1,", out);
    json_member(out, "program", map->name);
    fprintf(out, ",\"pid\":%d,", (int)map->pid);
    json_member(out, "version", map->version);
    fprintf(out, ",\"process\":{\"rss_bytes\":%" PRIu64 ",\"peak_rss_bytes\":%" PRIu64, map->residency.rss,
            map->residency.peak);
    for (int i = 0; i < MAP_TOTALS; i++)
        fprintf(out, ",\"%s\":%.0f", totals[i].name, totals[i].bytes);
    fprintf(out, "},\"not_resident_bytes\":%.0f,\"left_out\":%" PRIu64 ",\"parts\":[", map->share.absent,
            map->left_out + map->summary.passed_over);
    for (size_t i = 0; i < map->count; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        put_part(out, &map->parts[i]);
    }
    fputs("\n]}\n", out);
    return !ferror(out);
}
