/* SPDX-License-Identifier: MIT */
/* A traced address as JSON. */
#include "config.h"

#include <inttypes.h>

#include "json_text.h"
#include "leaks_trace.h"
#include "reader/chain.h"

static void write_block(FILE *out, const struct leaks *leaks, const struct trace_block *block)
{
    fprintf(out, "{\"address\":\"0x%" PRIx64 "\",\"size\":%" PRIu64, block->address, block->size);
    if (block->type != NULL) {
        putc(',', out);
        json_member(out, "type", block->type);
    }
    const struct leaks_group group = {.entry = block->entry};
    leaks_write_json_stack(out, leaks, &group);
    putc('}', out);
}

static void write_thread(FILE *out, const struct trace_place *place)
{
    if (place->thread != 0)
        fprintf(out, ",\"thread\":%d", (int)place->thread);
    if (place->thread_name[0] != '\0') {
        putc(',', out);
        json_member(out, "thread_name", place->thread_name);
    }
    if (place->reg != NULL) {
        putc(',', out);
        json_member(out, "register", place->reg);
    }
}

static void write_place(FILE *out, const struct leaks *leaks, const struct trace_place *place)
{
    static const char *const kinds[TRACE_KINDS] = {
        [TRACE_REGISTER] = "register", [TRACE_STACK] = "stack",   [TRACE_TLS] = "tls",
        [TRACE_DATA] = "data",         [TRACE_MEMORY] = "memory", [TRACE_BLOCK] = "block"};
    fprintf(out, "\n  {\"in\":\"%s\"", kinds[place->kind]);
    if (place->address != 0)
        fprintf(out, ",\"address\":\"0x%" PRIx64 "\"", place->address);
    write_thread(out, place);
    if (place->kind == TRACE_DATA) {
        putc(',', out);
        json_member(out, "file", place->object->path);
        fprintf(out, ",\"offset\":%" PRIu64, place->address - place->object->start);
    }
    if (place->variable != NULL) {
        putc(',', out);
        json_member(out, "variable", place->variable);
        fprintf(out, ",\"variable_offset\":%" PRIu64, place->variable_offset);
    }
    if (place->kind == TRACE_BLOCK) {
        fputs(",\"block\":", out);
        write_block(out, leaks, &place->block);
    }
    putc('}', out);
}

static void write_places(FILE *out, const struct leaks *leaks, const struct trace_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putc(',', out);
        write_place(out, leaks, &places[i]);
    }
    putc(']', out);
}

void trace_write_json(FILE *out, const struct leaks *leaks)
{
    static const char *const found[] = {
        [TRACE_IN_NONE] = "none", [TRACE_IN_FREE] = "free_block", [TRACE_IN_USE] = "block"};
    const struct leaks_trace *trace = leaks->trace;
    leaks_write_json_head(out, leaks);
    fprintf(out, ",\n \"address\":\"0x%" PRIx64 "\",\"found\":\"%s\"", trace->address, found[trace->found]);
    if (trace->found != TRACE_IN_NONE) {
        fputs(",\n \"block\":", out);
        write_block(out, leaks, &trace->block);
    }
    if (trace->found == TRACE_IN_USE) {
        fprintf(out, ",\n \"reachable\":%s,\"chain_length\":%" PRIu64 ",\"chain_left_out\":%" PRIu64 ",\n \"chain\":[",
                trace->is_reached ? "true" : "false", trace->link_count, trace->link_count - trace->shown);
        write_places(out, leaks, trace->links, trace->shown);
        fprintf(out, ",\n \"pointer_count\":%" PRIu64 ",\n \"pointers\":[", trace->pointer_total);
        write_places(out, leaks, trace->pointers, trace->pointer_count);
    }
    fputs("}\n", out);
}
