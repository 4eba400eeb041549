/* SPDX-License-Identifier: MIT */
/* Types and variables of a traced address. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "leaks_trace.h"

/* The blocks of a trace that begin with an address in a loaded object. */
struct blocks {
    struct trace_block **block;
    size_t count;
};

static void add_block(struct blocks *blocks, struct trace_block *block)
{
    if (block->word != 0)
        blocks->block[blocks->count++] = block;
}

static void add_places(struct blocks *blocks, struct trace_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].kind == TRACE_BLOCK)
            add_block(blocks, &places[i].block);
}

static bool find_types(struct leaks *leaks)
{
    struct leaks_trace *trace = leaks->trace;
    size_t most = trace->shown + trace->pointer_count + 1;
    struct blocks blocks = {.block = calloc(most, sizeof *blocks.block)};
    uint64_t *words = profile_room(leaks->profile, most, sizeof *words);
    const char **types = profile_room(leaks->profile, most, sizeof *types);
    bool has_room = blocks.block != NULL && words != NULL && types != NULL;
    if (has_room) {
        add_block(&blocks, &trace->block);
        add_places(&blocks, trace->links, trace->shown);
        add_places(&blocks, trace->pointers, trace->pointer_count);
        for (size_t i = 0; i < blocks.count; i++)
            words[i] = blocks.block[i]->word;
        profile_name_types(leaks->profile, words, blocks.count, types);
        for (size_t i = 0; i < blocks.count; i++)
            blocks.block[i]->type = types[i];
    }
    free(blocks.block);
    return has_room;
}

static void find_variables(struct leaks *leaks, struct trace_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (places[i].kind == TRACE_DATA)
            places[i].variable = profile_variable_of(leaks->profile, places[i].address, &places[i].variable_offset);
}

bool trace_find_names(struct leaks *leaks)
{
    struct leaks_trace *trace = leaks->trace;
    if (!profile_drop_rights(leaks->pid))
        return false;
    if (!find_types(leaks) || !profile_symbols_open(leaks->profile) || !profile_symbols_open(leaks->stacks)) {
        command_error("%s", strerror(ENOMEM));
        return false;
    }
    find_variables(leaks, trace->links, trace->shown);
    find_variables(leaks, trace->pointers, trace->pointer_count);
    return true;
}
