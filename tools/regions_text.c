/* SPDX-License-Identifier: MIT */
/* The mappings of a process, as text for people and as JSON. */
#include <inttypes.h>

#include "json_text.h"
#include "number_text.h"
#include "regions.h"

static const struct {
    const char *name, *label, *one;
} kinds[REGION_KINDS] = {
#define HAK_REGION(id, name, label, one) {#name, label, one},
#include "regions.def"
};

static const struct {
    const char *name, *label;
} uses[REGION_USES] = {
    [REGION_SLABS] = {"slabs_bytes", "slabs"},
    [REGION_LARGE] = {"large_bytes", "large blocks"},
    [REGION_RETAINED] = {"retained_bytes", "retained for reuse"},
    [REGION_OWN_RECORDS] = {"records_bytes", "records of libhakmem"},
    [REGION_OTHER] = {"other_bytes", "memory of the program"},
};

/* ---- text -------------------------------------------------------------- */

static void put_bytes(FILE *out, uint64_t bytes)
{
    fprintf(out, " %11s", bytes != 0 ? number_bytes((double)bytes).text : "-");
}

static void put_sum(FILE *out, const struct region_sum *sum)
{
    put_bytes(out, sum->bytes);
    put_bytes(out, sum->resident);
    put_bytes(out, sum->dirty);
    put_bytes(out, sum->swapped);
}

static void put_table(FILE *out, const struct regions *regions)
{
    fprintf(out, "\n%9s %11s %11s %11s %11s  %s\n", "mappings", "size", "resident", "dirty", "swapped", "used for");
    for (int kind = 0; kind < REGION_KINDS; kind++) {
        if (regions->sum[kind].mappings == 0)
            continue;
        fprintf(out, "%9" PRIu64, regions->sum[kind].mappings);
        put_sum(out, &regions->sum[kind]);
        fprintf(out, "  %s\n", kinds[kind].label);
        for (int use = 0; use < REGION_USES && kind == REGION_HEAP; use++) {
            if (regions->use[use] == 0)
                continue;
            fprintf(out, "%9s %11s", "", "");
            put_bytes(out, regions->use[use]);
            fprintf(out, " %11s %11s    %s\n", "", "", uses[use].label);
        }
    }
    fprintf(out, "%9" PRIu64, regions->total.mappings);
    put_sum(out, &regions->total);
    fputs("  total\n", out);
}

/* What there is to say of one mapping beside its kind. */
static void put_details(FILE *out, const struct region *region)
{
    const char *between = ": ";
    for (int use = 0; use < REGION_USES; use++) {
        if (region->use[use] == 0)
            continue;
        fprintf(out, "%s%s %s", between, uses[use].label, number_bytes((double)region->use[use]).text);
        between = ", ";
    }
    if (region->threads > 0)
        fprintf(out, ": thread %d %s", (int)region->thread, region->thread_name);
    if (region->threads > 1)
        fprintf(out, " and %" PRIu32 " more", region->threads - 1);
    if (region->path[0] != '\0')
        fprintf(out, ": %s", region->path);
}

static void put_list(FILE *out, const struct regions *regions)
{
    fprintf(out, "\n%12s %11s %11s %11s %11s  %-6s  %s\n", "address", "size", "resident", "dirty", "swapped", "access",
            "used for");
    for (size_t i = 0; i < regions->count; i++) {
        const struct region *region = &regions->list[i];
        fprintf(out, "%12" PRIxPTR, region->start);
        put_sum(out, &region->sum);
        fprintf(out, "  %-6s  %s", region->permissions, kinds[region->kind].one);
        put_details(out, region);
        putc('\n', out);
    }
}

bool regions_write_text(FILE *out, const struct regions *regions, bool summary)
{
    fprintf(out, "%s (process %d), libhakmem %s\n", regions->name, (int)regions->pid, regions->version);
    if (regions->running > 0)
        fprintf(out, "Threads that never waited: %" PRIu64 ". Their stacks count as anonymous memory.\n",
                regions->running);
    put_table(out, regions);
    if (!summary)
        put_list(out, regions);
    if (regions->left_out > 0)
        fprintf(out, "(%" PRIu64 " more mapping%s, not listed for lack of memory)\n", regions->left_out,
                number_s(regions->left_out));
    return !ferror(out);
}

/* ---- JSON -------------------------------------------------------------- */

static void put_json_sum(FILE *out, const struct region_sum *sum)
{
    fprintf(out, "\"bytes\":%" PRIu64 ",\"resident_bytes\":%" PRIu64, sum->bytes, sum->resident);
    fprintf(out, ",\"dirty_bytes\":%" PRIu64 ",\"swapped_bytes\":%" PRIu64, sum->dirty, sum->swapped);
}

static void put_json_uses(FILE *out, const uint64_t *use)
{
    for (int i = 0; i < REGION_USES; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : ",\"resident\":{", uses[i].name, use[i]);
    putc('}', out);
}

static void put_json_region(FILE *out, const struct region *region)
{
    fprintf(out, "{\"address\":%" PRIuPTR ",\"kind\":\"%s\",", region->start, kinds[region->kind].name);
    json_member(out, "permissions", region->permissions);
    putc(',', out);
    put_json_sum(out, &region->sum);
    if (region->kind == REGION_HEAP)
        put_json_uses(out, region->use);
    if (region->path[0] != '\0') {
        putc(',', out);
        json_member(out, "path", region->path);
        fprintf(out, ",\"offset\":%" PRIu64, region->offset);
    }
    if (region->threads > 0) {
        fprintf(out, ",\"threads\":%" PRIu32 ",\"thread\":%d,", region->threads, (int)region->thread);
        json_member(out, "thread_name", region->thread_name);
    }
    putc('}', out);
}

static void put_json_kinds(FILE *out, const struct regions *regions)
{
    const char *between = "\n";
    fputs(",\"kinds\":[", out);
    for (int kind = 0; kind < REGION_KINDS; kind++) {
        if (regions->sum[kind].mappings == 0)
            continue;
        fprintf(out, "%s{\"kind\":\"%s\",\"mappings\":%" PRIu64 ",", between, kinds[kind].name,
                regions->sum[kind].mappings);
        put_json_sum(out, &regions->sum[kind]);
        if (kind == REGION_HEAP)
            put_json_uses(out, regions->use);
        putc('}', out);
        between = ",\n";
    }
    fputs("\n]", out);
}

bool regions_write_json(FILE *out, const struct regions *regions, bool summary)
{
    fputs("{\"schema\":1,", out);
    json_member(out, "program", regions->name);
    fprintf(out, ",\"pid\":%d,", (int)regions->pid);
    json_member(out, "version", regions->version);
    fprintf(out, ",\"mappings\":%" PRIu64 ",", regions->total.mappings);
    put_json_sum(out, &regions->total);
    fprintf(out, ",\"running_threads\":%" PRIu64 ",\"left_out\":%" PRIu64, regions->running, regions->left_out);
    put_json_kinds(out, regions);
    for (size_t i = 0; i < regions->count && !summary; i++) {
        fputs(i > 0 ? ",\n" : ",\"regions\":[\n", out);
        put_json_region(out, &regions->list[i]);
    }
    fputs(summary || regions->count == 0 ? "}\n" : "\n]}\n", out);
    return !ferror(out);
}
