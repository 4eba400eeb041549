/* SPDX-License-Identifier: MIT */
/* Leaks as JSON. */
#include "config.h"

#include <inttypes.h>

#include "json_text.h"
#include "leaks.h"

static void write_sum(FILE *out, const char *name, struct leaks_sum sum)
{
    fprintf(out, ",\n \"%s\":{\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", name, sum.blocks, sum.bytes);
}

static void write_list(FILE *out, const struct leaks_group *group)
{
    fprintf(out, ",\"addresses\":[");
    for (const struct leaks_block *block = group->list; block != NULL; block = block->next)
        fprintf(out, "%s\"0x%" PRIx64 "\"", block != group->list ? "," : "", block->address);
    fputc(']', out);
}

static void write_dump(FILE *out, const struct leaks_block *block)
{
    fprintf(out, "{\"address\":\"0x%" PRIx64 "\",\"words\":[", block->address);
    for (size_t i = 0; i < block->word_count; i++)
        fprintf(out, "%s\"0x%016" PRIx64 "\"", i > 0 ? "," : "", block->words[i]);
    fprintf(out, "]}");
}

static void write_dumps(FILE *out, const struct leaks_group *group)
{
    bool any = false;
    for (const struct leaks_block *block = group->list; block != NULL; block = block->next) {
        if (block->words == NULL)
            continue;
        fprintf(out, any ? ",\n   " : ",\n   \"dumps\":[");
        write_dump(out, block);
        any = true;
    }
    if (any)
        fputc(']', out);
}

void leaks_write_json_stack(FILE *out, const struct leaks *leaks, const struct leaks_group *group)
{
    static const struct profile_line *lines[PROFILE_LINES_MOST];
    size_t count = leaks_stack(leaks, group, lines);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, i > 0 ? "," : ",\"stack\":[");
        json_string(out, lines[i]->function);
    }
    if (count > 0)
        fputc(']', out);
}

static void write_group(FILE *out, const struct leaks *leaks, const struct leaks_group *group)
{
    fprintf(out, "\n  {\"kind\":\"%s\",\"size\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64,
            group->indirect ? "indirect" : "direct", group->size, group->sum.blocks, group->sum.bytes);
    if (!group->indirect)
        fprintf(out, ",\"indirect_blocks\":%" PRIu64 ",\"indirect_bytes\":%" PRIu64 ",\"total_bytes\":%" PRIu64,
                group->through.blocks, group->through.bytes, leaks_total(group));
    if (group->type != NULL) {
        putc(',', out);
        json_member(out, "type", group->type);
    }
    leaks_write_json_stack(out, leaks, group);
    if (leaks->listed)
        write_list(out, group);
    write_dumps(out, group);
    fputc('}', out);
}

void leaks_write_json_head(FILE *out, const struct leaks *leaks)
{
    fprintf(out, "{\"schema\":1,\"pid\":%d,", (int)leaks->pid);
    json_member(out, "program", leaks->name);
    putc(',', out);
    json_member(out, "version", leaks->version);
    fprintf(out, ",\n \"stopped_ms\":%.3f,\"longest_stop_ms\":%.3f,\"stops\":%u,\"looks\":%u,\"seconds\":%.3f,\"exact\":%s",
            1000 * leaks->stopped, 1000 * leaks->longest, leaks->stops, leaks->looks, leaks->seconds,
            leaks->exact ? "true" : "false");
    fprintf(out, ",\n \"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"left_out\":%" PRIu64
            ",\"unsettled\":%" PRIu64 ",\"unread_threads\":%" PRIu64 ",\"unread_blocks\":%" PRIu64,
            leaks->in_use.blocks, leaks->in_use.bytes, leaks->passed_over, leaks->unsettled, leaks->unread_threads,
            leaks->unread_blocks);
    if (leaks->pid != 0 && leaks->stops == 0 && leaks->exact) /* by hakmem run */
        fprintf(out, ",\n \"children_searched\":false");
}

void leaks_write_json(FILE *out, const struct leaks *leaks)
{
    leaks_write_json_head(out, leaks);
    write_sum(out, "direct", leaks->direct);
    write_sum(out, "indirect", leaks->indirect);
    write_sum(out, "suppressed", leaks->suppressed);
    fprintf(out, ",\n \"groups\":[");
    for (size_t i = 0; i < leaks->group_count; i++) {
        if (i > 0)
            fputc(',', out);
        write_group(out, leaks, &leaks->groups[i]);
    }
    fprintf(out, "]}\n");
}
