/* SPDX-License-Identifier: MIT */
/* A traced address as text for people. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "leaks_trace.h"
#include "number_text.h"
#include "reader/chain.h"

static void write_size_and_type(FILE *out, const struct trace_block *block)
{
    fprintf(out, "block of %s", number_bytes((double)block->size).text);
    if (block->type != NULL)
        fprintf(out, ", %s", block->type);
}

static void write_thread(FILE *out, const struct trace_place *place)
{
    if (place->thread == 0)
        fputs("the first thread", out);
    else
        fprintf(out, "thread %d", (int)place->thread);
    if (place->thread_name[0] != '\0')
        fprintf(out, " (%s)", place->thread_name);
}

static void write_data(FILE *out, const struct trace_place *place)
{
    const char *slash = strrchr(place->object->path, '/');
    fprintf(out, "data of %s+0x%" PRIx64, slash != NULL ? slash + 1 : place->object->path,
            place->address - place->object->start);
    if (place->variable == NULL)
        return;
    fprintf(out, ", %s", place->variable);
    if (place->variable_offset != 0)
        fprintf(out, "+%" PRIu64, place->variable_offset);
}

/* A line for the word at a place. */
static void write_place(FILE *out, const struct trace_place *place)
{
    char address[40] = "?";
    if (place->kind == TRACE_REGISTER)
        snprintf(address, sizeof address, "%s", place->reg != NULL ? place->reg : "vector");
    else if (place->kind == TRACE_BLOCK && place->address != 0)
        snprintf(address, sizeof address, "0x%" PRIx64 "+%" PRIu64, place->block.address,
                 place->address - place->block.address);
    else if (place->kind == TRACE_BLOCK)
        snprintf(address, sizeof address, "0x%" PRIx64, place->block.address);
    else if (place->address != 0)
        snprintf(address, sizeof address, "0x%" PRIx64, place->address);
    fprintf(out, "  %-24s  ", address);
    switch (place->kind) {
    case TRACE_REGISTER:
        fputs("register of ", out);
        write_thread(out, place);
        break;
    case TRACE_STACK:
        fputs("stack of ", out);
        write_thread(out, place);
        break;
    case TRACE_TLS:
        fputs("thread-local storage of ", out);
        write_thread(out, place);
        break;
    case TRACE_DATA:
        write_data(out, place);
        break;
    case TRACE_BLOCK:
        write_size_and_type(out, &place->block);
        break;
    default:
        fputs("other mapped memory", out);
    }
    fputc('\n', out);
}

static void write_chain(FILE *out, const struct leaks_trace *trace)
{
    fprintf(out, "\nThe program can reach the block. The shortest chain from a root:\n");
    for (size_t i = 0; i < trace->shown; i++) {
        if (trace->shown < trace->link_count && i == trace->shown / 2)
            fprintf(out, "  (%" PRIu64 " more block%s)\n", trace->link_count - trace->shown,
                    number_s(trace->link_count - trace->shown));
        write_place(out, &trace->links[i]);
    }
    fprintf(out, "  0x%-22" PRIx64 "  ", trace->block.address);
    write_size_and_type(out, &trace->block);
    fputs(" (this block)\n", out);
}

static void write_pointers(FILE *out, const struct leaks_trace *trace)
{
    if (trace->pointer_total == 0) {
        fprintf(out, "\nNo word outside the block leads to it directly.\n");
        return;
    }
    fprintf(out, "\n%" PRIu64 " word%s outside the block %s to it directly:\n", trace->pointer_total,
            number_s(trace->pointer_total), trace->pointer_total == 1 ? "leads" : "lead");
    for (size_t i = 0; i < trace->pointer_count; i++)
        write_place(out, &trace->pointers[i]);
    if (trace->pointer_count < trace->pointer_total)
        fprintf(out, "  (%" PRIu64 " more)\n", trace->pointer_total - trace->pointer_count);
}

static void write_found(FILE *out, const struct leaks *leaks)
{
    const struct leaks_trace *trace = leaks->trace;
    fprintf(out, "0x%" PRIx64 " is ", trace->address);
    if (trace->address == trace->block.address)
        fputs("the start of a ", out);
    else
        fprintf(out, "%" PRIu64 " byte%s after 0x%" PRIx64 ", the start of a ", trace->address - trace->block.address,
                number_s(trace->address - trace->block.address), trace->block.address);
    if (trace->found == TRACE_IN_FREE)
        fputs("free ", out);
    write_size_and_type(out, &trace->block);
    fputs(".\n", out);
    const struct leaks_group group = {.entry = trace->block.entry};
    leaks_write_stack(out, leaks, &group);
}

void trace_write_text(FILE *out, const struct leaks *leaks)
{
    const struct leaks_trace *trace = leaks->trace;
    leaks_write_title(out, leaks);
    fputc('\n', out);
    if (trace->found == TRACE_IN_NONE) {
        fprintf(out, "0x%" PRIx64 " is not in a block of the heap.\n", trace->address);
        return;
    }
    write_found(out, leaks);
    if (trace->found != TRACE_IN_USE)
        return;
    if (trace->is_reached)
        write_chain(out, trace);
    else if (leaks->exact || leaks->pid == 0)
        fprintf(out, "\nThe program cannot reach the block: it is leaked.\n");
    else
        fprintf(out, "\nNo way was found by which the program can reach the block. The process ran meanwhile: use --exact "
                     "to be sure.\n");
    write_pointers(out, trace);
}
