/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config.h"

#include "leaks_look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "profile_maps.h"
#include "profile_tables.h"
#include "reader/own.h"

/* Of so many bytes in use the search takes some tenths of a second. */
static const uint64_t exact_most = sizeof(void *) == 8 ? (uint64_t)512 << 20 : (uint64_t)256 << 20;

/* Seconds for a thread that waits for a processor, or for the end of a vfork. */
static const double patience = 0.5;

/* ---- stops ------------------------------------------------------------- */

enum process_result look_complain(struct search *search, enum reader_result result, int error)
{
    if (result == READER_DONE)
        return PROCESS_READ;
    if (search->core != NULL) {
        command_error("%s: %s", search->core->path, reader_failure(result));
        return PROCESS_FAILED;
    }
    if (result == READER_UNREADABLE && error != EFAULT && error != 0)
        return process_complain_of(search->process, error);
    return process_complain(search->process, PROCESS_FAILED, "%s", reader_failure(result));
}

enum process_result look_begin_stop(struct search *search)
{
    if (search->request->no_stop || search->request->stopped != NULL)
        return PROCESS_READ;
    if (!reader_stop_begin(&search->stop, search->process->pid))
        return process_complain_of_stop(search->process, errno);
    search->is_stopped = true;
    search->leaks->stops++;
    reader_stop_wait(&search->stop, patience);
    roots_free_threads(&search->threads);
    for (size_t i = 0; i < search->stop.count; i++)
        if (!roots_add_thread(&search->threads, search->stop.threads[i].thread))
            return look_complain(search, READER_NO_MEMORY, 0);
    return PROCESS_READ;
}

void look_end_stop(struct search *search)
{
    struct leaks *leaks = search->leaks;
    if (!search->is_stopped)
        return;
    double seconds = reader_stop_end(&search->stop);
    search->is_stopped = false;
    leaks->stopped += seconds;
    if (seconds > leaks->longest)
        leaks->longest = seconds;
}

/* ---- records and roots ------------------------------------------------- */

void look_forget(struct search *search)
{
    live_free(&search->before);
    search->before = search->live;
    search->live = (struct live){0};
    reach_free(search->reach);
    search->reach = NULL;
    mappings_free(&search->roots.mappings);
    ranges_free(&search->roots.none);
    ranges_free(&search->present);
}

static enum process_result read_mappings(struct search *search)
{
    struct reader_mappings *mappings = &search->roots.mappings;
    if (search->core != NULL)
        return core_mappings(search->core, mappings, &search->present) ? PROCESS_READ : PROCESS_FAILED;
    return mappings_read(mappings, search->process->task) ? PROCESS_READ : process_complain_of(search->process, errno);
}

enum process_result look_read_records(struct search *search)
{
    struct roots *roots = &search->roots;
    *roots = (struct roots){.memory = &search->memory, .mappings.pages = -1};
    errno = 0;
    enum reader_result result = live_read(&search->live, &search->memory, &search->block, search->unread);
    int error = errno;
    if (result == READER_DONE && read_mappings(search) != PROCESS_READ)
        return PROCESS_FAILED;
    errno = error;
    if (result == READER_DONE)
        result = own_read(&roots->none, &search->memory, &search->block, search->process->block, &search->live,
                          &roots->mappings);
    if (result != READER_DONE)
        return look_complain(search, result, errno);
    search->reach = reach_new(&search->live, &search->memory, &roots->mappings);
    if (!live_add_bits(&search->live) || search->reach == NULL)
        return look_complain(search, READER_NO_MEMORY, 0);
    search->reach->has_marks = search->leaks->has_marks;
    search->reach->secret = search->secret;
    return PROCESS_READ;
}

enum process_result look_read_roots(struct search *search, roots_visit *visit, void *context)
{
    const struct roots_threads *threads = search->request->stopped;
    if (search->is_stopped)
        threads = &search->threads;
    bool read = (threads == NULL || roots_read_threads(&search->roots, threads, visit, context)) &&
                roots_read_memory(&search->roots, visit, context);
    search->leaks->unread_threads = threads != NULL ? threads->unread : 0;
    return read ? PROCESS_READ : look_complain(search, READER_NO_MEMORY, 0);
}

void look_decide(struct search *search)
{
    size_t in_use = SIZE_MAX;
    if (!remote_read(&search->memory, (uintptr_t)search->block.live_bytes, &in_use, sizeof in_use))
        in_use = SIZE_MAX;
    search->is_small = in_use <= exact_most;
    search->leaks->exact = search->request->stopped != NULL ||
                           (search->is_stopped && (search->request->exact || search->is_small));
    search->unread = !search->leaks->exact && search->leaks->has_marks;
}

/* ---- call stacks ------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    const struct profile_sample *one = a, *other = b;
    return one->address < other->address ? -1 : one->address > other->address;
}

uint32_t look_entry_of(const struct profile *stacks, uint64_t address)
{
    const struct profile_sample wanted = {.address = address}, *found = NULL;
    if (stacks->sample_count > 0)
        found = bsearch(&wanted, stacks->samples, stacks->sample_count, sizeof wanted, by_address);
    return found != NULL ? (uint32_t)found->entry : LEAKS_NO_STACK;
}

enum process_result look_read_stacks(struct search *search)
{
    struct profile *stacks = search->leaks->stacks;
    if (profile_tables_read(stacks, &search->memory, (uintptr_t)search->block.profile, 1) != PROFILE_TABLES_READ)
        stacks->sample_count = 0;
    if (stacks->sample_count == 0)
        return PROCESS_READ;
    qsort(stacks->samples, stacks->sample_count, sizeof *stacks->samples, by_address);
    if (search->core != NULL)
        return core_add_code(search->core, stacks) ? PROCESS_READ : PROCESS_FAILED;
    return profile_read_code(search->process, &search->memory, stacks);
}
