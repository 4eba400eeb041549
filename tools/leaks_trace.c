/* SPDX-License-Identifier: MIT */
/* The search for an address, in the child process that reads. */
#define _GNU_SOURCE
#include "config.h"

#include "leaks_trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/mix.h"
#include "leaks_look.h"
#include "profile_maps.h"
#include "reader/chain.h"

/* Bytes from the thread pointer on that are the thread's own, mostly; and bytes that alignment may add to a variable. */
enum { PTHREAD = 4096, TLS_MOST = 1 << 20, ALIGNMENT = 64 };

struct tracing {
    struct search *search;
    struct leaks_trace *trace;
    struct chain chain;
    uintptr_t tls_size; /* of the variables of all objects, about: farther below a thread pointer is the stack */
};

/* ---- places ------------------------------------------------------------ */

static struct trace_block describe(struct search *search, const struct live_block *block)
{
    struct trace_block found = {.address = block->start, .size = block->size, .entry = LEAKS_NO_STACK};
    uint64_t words[2];
    if (reach_peek(search->reach, block, words) &&
        profile_may_be_table(search->leaks->profile, words[0], &search->object))
        found.word = words[0];
    profile_add_word(search->leaks->profile, found.word);
    if (block->sampled)
        found.entry = look_entry_of(search->leaks->stacks, block->start);
    return found;
}

static const struct roots_threads *stopped_threads(const struct search *search)
{
    return search->request->stopped != NULL ? search->request->stopped : &search->threads;
}

static void name_thread(const struct search *search, struct trace_place *place, const struct roots_thread *thread)
{
    char path[64];
    place->thread = thread->id;
    if (search->core != NULL || thread->id == 0)
        return;
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)search->process->pid, (int)thread->id);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(place->thread_name, sizeof place->thread_name, file) != NULL)
        place->thread_name[strcspn(place->thread_name, "\n")] = '\0';
    fclose(file);
    profile_clean(place->thread_name);
}

/*
 * The thread whose stack or own variables an address is in: of those whose stack pointer is below it in the same
 * mapping, the next one. Other memory may be mapped behind a stack, but not behind the thread's own variables.
 */
static const struct roots_thread *thread_at(const struct tracing *tracing, uintptr_t address, bool *is_tls)
{
    const struct search *search = tracing->search;
    const struct roots_threads *threads = stopped_threads(search);
    const struct reader_mapping *mapping = mappings_find(&search->roots.mappings, address);
    const struct roots_thread *found = NULL;
    *is_tls = false;
    for (size_t i = 0; mapping != NULL && i < threads->count; i++) {
        const struct roots_thread *thread = &threads->thread[i];
        if (thread->tls != 0 && address - (thread->tls - tracing->tls_size) < tracing->tls_size + PTHREAD) {
            *is_tls = true;
            return thread;
        }
        bool is_above = thread->sp >= mapping->start && address >= thread->sp - 128 &&
                        (mapping->is_stack || (thread->tls > address && thread->tls < mapping->end));
        if (is_above && (found == NULL || found->sp < thread->sp))
            found = thread;
    }
    return found;
}

static uintptr_t add_tls_sizes(struct search *search)
{
    const struct profile *objects = search->leaks->profile;
    uintptr_t sum = 0;
    for (size_t i = 0; i < objects->mapping_count && sum < TLS_MOST; i++) {
        size_t size = remote_image_tls(&search->memory, (uintptr_t)objects->mappings[i].start);
        if (size != 0 && size < TLS_MOST)
            sum += size + ALIGNMENT;
    }
    return sum;
}

static void find_root(const struct tracing *tracing, const struct chain_place *from, struct trace_place *place)
{
    const struct search *search = tracing->search;
    const struct roots_threads *threads = stopped_threads(search);
    const struct roots_thread *thread;
    bool is_tls;
    place->address = from->address;
    place->kind = TRACE_MEMORY;
    if (from->is_register) {
        place->kind = TRACE_REGISTER;
        place->reg = roots_register(from->index);
        if (from->thread < threads->count)
            name_thread(search, place, &threads->thread[from->thread]);
    } else if ((place->object = profile_mapping_of(search->leaks->profile, from->address)) != NULL) {
        place->kind = TRACE_DATA;
    } else if ((thread = thread_at(tracing, from->address, &is_tls)) != NULL) {
        place->kind = is_tls ? TRACE_TLS : TRACE_STACK;
        name_thread(search, place, thread);
    } else {
        const struct reader_mapping *mapping = mappings_find(&search->roots.mappings, from->address);
        if (mapping != NULL && mapping->is_stack)
            place->kind = TRACE_STACK;
    }
}

static bool copy_places(const struct tracing *tracing, const struct chain_place *from, size_t count,
                        struct trace_place **places)
{
    struct search *search = tracing->search;
    *places = profile_room(search->leaks->profile, count + 1, sizeof **places);
    for (size_t i = 0; *places != NULL && i < count; i++) {
        struct trace_place *place = &(*places)[i];
        if (from[i].is_root) {
            find_root(tracing, &from[i], place);
            continue;
        }
        *place = (struct trace_place){.kind = TRACE_BLOCK, .address = from[i].address,
                                      .block = describe(search, &from[i].block)};
    }
    return *places != NULL;
}

/* ---- the search -------------------------------------------------------- */

static bool is_freed(const struct search *search, const struct live_block *block)
{
    uint64_t words[2];
    return search->leaks->has_marks && !block->is_single && reach_peek(search->reach, block, words) &&
           words[1] == hak__mix(block->start, search->secret);
}

/* The block in which the address lies, and whether it is in use. */
static bool find_target(struct tracing *tracing)
{
    struct search *search = tracing->search;
    struct live_block *target = &tracing->chain.target;
    if (!live_find(&search->live, (uintptr_t)tracing->trace->address, target))
        return false;
    bool in_use = live_has(&search->live, LIVE_IN_USE, target->number) && !is_freed(search, target);
    tracing->trace->found = in_use ? TRACE_IN_USE : TRACE_IN_FREE;
    return in_use;
}

static enum process_result read_stopped(struct tracing *tracing)
{
    struct search *search = tracing->search;
    struct chain *chain = &tracing->chain;
    enum process_result result = look_begin_stop(search);
    look_decide(search);
    if (result == PROCESS_READ)
        result = look_read_records(search);
    if (result != PROCESS_READ || !find_target(tracing))
        return result;
    chain->live = &search->live;
    chain->memory = &search->memory;
    chain->roots = &search->roots;
    chain->has_marks = search->leaks->has_marks;
    chain->secret = search->secret;
    chain->pointers_most = search->request->pointers;
    if (!chain_begin(chain))
        return look_complain(search, READER_NO_MEMORY, 0);
    result = look_read_roots(search, chain_roots, chain);
    if (!search->leaks->exact)
        look_end_stop(search);
    return result;
}

static enum process_result copy_results(struct tracing *tracing)
{
    struct search *search = tracing->search;
    struct leaks_trace *trace = tracing->trace;
    const struct chain *chain = &tracing->chain;
    if (trace->found != TRACE_IN_NONE)
        trace->block = describe(search, &chain->target);
    if (trace->found != TRACE_IN_USE)
        return PROCESS_READ;
    trace->is_reached = chain->is_reached;
    trace->link_count = chain->link_count;
    trace->shown = chain->link_count < CHAIN_SHOWN ? (size_t)chain->link_count : CHAIN_SHOWN;
    trace->pointer_count = chain->pointer_count;
    trace->pointer_total = chain->pointer_total;
    search->leaks->unread_blocks = chain->unread;
    tracing->tls_size = add_tls_sizes(search);
    return copy_places(tracing, chain->links, trace->shown, &trace->links) &&
                   copy_places(tracing, chain->pointers, trace->pointer_count, &trace->pointers)
               ? PROCESS_READ
               : look_complain(search, READER_NO_MEMORY, 0);
}

enum process_result trace_address(struct search *search)
{
    static struct tracing tracing;
    struct leaks *leaks = search->leaks;
    leaks->trace = profile_room(leaks->profile, 1, sizeof *leaks->trace);
    if (leaks->trace == NULL)
        return look_complain(search, READER_NO_MEMORY, 0);
    leaks->trace->address = *search->request->trace;
    tracing = (struct tracing){.search = search, .trace = leaks->trace};
    enum process_result result = read_stopped(&tracing);
    leaks->in_use = (struct leaks_sum){search->live.blocks, search->live.bytes};
    leaks->looks = 1;
    if (result == PROCESS_READ && leaks->trace->found == TRACE_IN_USE)
        chain_find(&tracing.chain);
    look_end_stop(search);
    if (result == PROCESS_READ)
        result = look_read_stacks(search);
    if (result == PROCESS_READ)
        result = copy_results(&tracing);
    profile_read_types(leaks->profile, &search->memory);
    chain_free(&tracing.chain);
    return result;
}
