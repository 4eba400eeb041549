/* SPDX-License-Identifier: MIT */
/*
 * The search: in a child process, which stops the process that is searched and reads it.
 *
 * A small heap is searched while the process is stopped, so the answer is exact but for blocks that the library
 * itself had, in a thread that was stopped within it. A leaked block stays leaked, so what is found is looked for
 * again a moment later, twice, and until a look finds as much as the one before. A large heap would take
 * seconds: then records of blocks and roots alone are read in the stop, and the blocks while the process
 * goes on. What it moves meanwhile can be missed, so a block that nothing was found to lead to is only
 * suspected. Further looks search the whole heap for addresses of suspected blocks, until a look clears none,
 * and a last stop looks whether they are still there, and whether a register or a root leads to them.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mix.h"
#include "leaks_look.h"
#include "leaks_trace.h"
#include "profile_maps.h"
#include "reader/clock.h"
#include "reader/lost.h"

enum { SECONDS = 300, LOOKS_MOST = 8, MOMENT_NS = 50000000 };
/* Of fewer bytes in use one thread has read all before others have begun. */
enum { ALONE_MOST = 64 << 20 };

/* ---- one look ---------------------------------------------------------- */

/* A block that was suspected in the last look is so in this one if it is still there. */
static bool carry(struct live *before, const struct live_block *block, void *context)
{
    struct search *search = context;
    struct live_block found;
    (void)before;
    if (live_find(&search->live, block->start, &found) && found.start == block->start &&
        found.size == block->size && live_has(&search->live, LIVE_IN_USE, found.number))
        live_set(&search->live, LIVE_WANTED, found.number);
    return true;
}

/* With all processors that there are for this command, up to a bound. */
static void follow_all(struct search *search)
{
    cpu_set_t processors;
    size_t threads = 1;
    if (search->live.bytes > ALONE_MOST && sched_getaffinity(0, sizeof processors, &processors) == 0)
        threads = (size_t)CPU_COUNT(&processors);
    reach_all_with(search->reach, threads);
}

static uint64_t count(const struct live *live, enum live_bit bit)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < live->room / 64; i++)
        sum += (uint64_t)__builtin_popcountll(live->bits[bit][i]);
    return sum;
}

/* A freed block has a mark. It is not lost. */
static bool drop_freed(struct live *live, const struct live_block *block, void *context)
{
    struct search *search = context;
    uint64_t words[2];
    reach_keep(search->reach, block);
    if (!search->leaks->has_marks || !reach_peek(search->reach, block, words) ||
        words[1] != hak__mix(block->start, search->secret))
        return true;
    live_unset(live, LIVE_WANTED, block->number);
    live_unset(live, LIVE_IN_USE, block->number);
    live->blocks--;
    live->bytes -= block->size;
    return true;
}

/* From here on the lost blocks are those that are WANTED. */
static void keep_unreached(struct search *search)
{
    search->leaks->unread_blocks = reach_unread(search->reach);
    live_copy(&search->live, LIVE_WANTED, LIVE_WANTED, LIVE_REACHED);
    live_each(&search->live, LIVE_WANTED, drop_freed, search);
}

/* The first look follows everything from the roots on. */
static enum process_result look_first(struct search *search)
{
    enum process_result result = look_begin_stop(search);
    look_decide(search);
    if (result == PROCESS_READ)
        result = look_read_records(search);
    if (result == PROCESS_READ) {
        live_copy(&search->live, LIVE_WANTED, LIVE_IN_USE, LIVE_IN_USE);
        result = look_read_roots(search, reach_words, search->reach);
    }
    if (!search->leaks->exact)
        look_end_stop(search);
    if (result == PROCESS_READ) {
        reach_sweep(search->reach);
        follow_all(search);
        keep_unreached(search);
        search->leaks->in_use = (struct leaks_sum){search->live.blocks, search->live.bytes};
        search->leaks->looks++;
    }
    look_end_stop(search);
    return result;
}

/*
 * A further one searches for addresses of those that are suspected; with `all` in all other blocks, too. A large
 * process runs meanwhile, even after a first look that was exact: what moves is at worst suspected longer.
 */
static enum process_result look_again(struct search *search, bool all)
{
    const struct timespec moment = {.tv_nsec = MOMENT_NS};
    look_forget(search);
    nanosleep(&moment, NULL);
    enum process_result result = look_begin_stop(search);
    if (result == PROCESS_READ)
        result = look_read_records(search);
    if (result == PROCESS_READ) {
        live_each(&search->before, LIVE_WANTED, carry, search);
        reach_few(search->reach);
        result = look_read_roots(search, reach_words, search->reach);
    }
    if (!search->is_small)
        look_end_stop(search);
    if (result == PROCESS_READ) {
        if (all)
            reach_others(search->reach);
        follow_all(search);
        keep_unreached(search);
        search->leaks->looks += all;
    }
    look_end_stop(search);
    return result;
}

/* ---- all looks --------------------------------------------------------- */

static void read_words(struct search *search, struct leaks_block *listed, uint64_t size)
{
    size_t count = size / sizeof(uint64_t) < search->request->dump ? (size_t)(size / sizeof(uint64_t))
                                                                   : search->request->dump;
    uint64_t *words = count > 0 ? profile_room(search->leaks->profile, count, sizeof *words) : NULL;
    if (words == NULL || !remote_read(&search->memory, (uintptr_t)listed->address, words, count * sizeof *words))
        return;
    listed->words = words;
    listed->word_count = count;
}

static void add(const struct live_block *block, bool first, void *context)
{
    struct search *search = context;
    struct leaks *leaks = search->leaks;
    struct leaks_group like = {.indirect = !first, .size = block->size,
                               .owner = first ? LEAKS_NO_GROUP : search->owner, .entry = LEAKS_NO_STACK};
    struct leaks_block listed = {.address = block->start};
    uint64_t words[2] = {0};
    size_t groups = leaks->group_count;
    if (reach_peek(search->reach, block, words) && profile_may_be_table(leaks->profile, words[0], &search->object))
        like.word = words[0];
    profile_add_word(leaks->profile, like.word);
    if (block->sampled)
        like.entry = look_entry_of(leaks->stacks, block->start);
    if (search->request->list && search->request->dump != 0)
        read_words(search, &listed, block->size);
    uint32_t group = leaks_add(leaks, &like, search->request->list ? &listed : NULL);
    if (!search->request->list && search->request->dump != 0 && leaks->group_count > groups) {
        read_words(search, &listed, block->size);
        leaks_list(leaks, group, &listed);
    }
    if (first)
        search->owner = group;
}

/* It is the same at each look: a core, or a process at its end. */
static bool is_still(const struct search *search)
{
    return search->core != NULL || search->request->stopped != NULL;
}

static enum process_result look_until_sure(struct search *search)
{
    enum process_result result = look_first(search);
    unsigned least = search->leaks->exact ? 3 : 2;
    uint64_t left = result == PROCESS_READ ? count(&search->live, LIVE_WANTED) : 0, before = left + 1;
    while (result == PROCESS_READ && !is_still(search) && left > 0 &&
           (left != before || search->leaks->looks < least) && search->leaks->looks < LOOKS_MOST) {
        before = left;
        result = look_again(search, true);
        left = result == PROCESS_READ ? count(&search->live, LIVE_WANTED) : 0;
    }
    search->leaks->unsettled = search->leaks->looks == LOOKS_MOST ? before - left : 0;
    if (result == PROCESS_READ && !search->leaks->exact && left > 0)
        result = look_again(search, false);
    return result;
}

/* What can be read, the block, and the loaded objects are known. */
static enum process_result search_all(struct search *search)
{
    struct leaks *leaks = search->leaks;
    double began = clock_seconds();
    leaks->has_marks = search->block.checks != 0;
    if (!remote_read(&search->memory, (uintptr_t)search->block.secret, &search->secret, sizeof search->secret))
        return look_complain(search, READER_UNREADABLE, errno);
    search->memory.page_size = (size_t)sysconf(_SC_PAGESIZE);
    enum process_result result = search->request->trace != NULL ? trace_address(search) : look_until_sure(search);
    look_end_stop(search);
    if (result != PROCESS_READ || search->request->trace != NULL) {
        leaks->seconds = clock_seconds() - began;
        return result;
    }
    leaks->passed_over = search->live.summary.passed_over;
    if (leaks->in_use.blocks > 0)
        result = look_read_stacks(search);
    if (result == PROCESS_READ && !lost_find_first(search->reach, add, search))
        return look_complain(search, READER_NO_MEMORY, 0);
    profile_read_types(leaks->profile, &search->memory);
    leaks->seconds = clock_seconds() - began;
    return result;
}

static enum process_result look_for_leaks(struct process *process, void *context)
{
    struct search *search = context;
    search->process = process;
    enum process_result result = process_find(process, &search->memory, &search->block);
    if (result == PROCESS_READ)
        result = profile_read_objects(process, &search->memory, search->leaks->profile);
    return result == PROCESS_READ ? search_all(search) : result;
}

static struct search *new_search(const struct leaks_request *request)
{
    struct profile *profile = profile_new(), *stacks = profile_new();
    struct leaks *leaks = profile != NULL && stacks != NULL ? profile_room(profile, 1, sizeof *leaks) : NULL;
    struct search *search = calloc(1, sizeof *search);
    if (leaks == NULL || search == NULL) {
        profile_free(profile);
        profile_free(stacks);
        free(search);
        return NULL;
    }
    leaks->profile = profile;
    leaks->stacks = stacks;
    leaks->listed = request->list;
    search->leaks = leaks;
    search->request = request;
    search->roots.mappings.pages = -1;
    return search;
}

/* What is left of the search, or NULL. */
static struct leaks *end_search(struct search *search, bool found)
{
    struct leaks *leaks = search->leaks;
    free(search);
    if (found)
        return leaks;
    leaks_free(leaks);
    return NULL;
}

struct leaks *leaks_search(pid_t pid, const struct leaks_request *request)
{
    struct process process = {.pid = pid, .seconds = SECONDS};
    struct search *search = new_search(request);
    if (search == NULL)
        return NULL;
    struct leaks *leaks = end_search(search, process_look_in_time(&process, look_for_leaks, search) == PROCESS_READ);
    if (leaks == NULL)
        return NULL;
    leaks->pid = leaks->profile->pid = leaks->stacks->pid = pid;
    memcpy(leaks->name, process.name, sizeof leaks->name);
    memcpy(leaks->version, process.version, sizeof leaks->version);
    return leaks;
}

static bool search_core(struct search *search, const struct core *core)
{
    struct process process = {.block = core->address};
    struct leaks *leaks = search->leaks;
    search->core = core;
    search->process = &process;
    search->memory = core->memory;
    search->block = core->block;
    core_name(core, leaks->name, sizeof leaks->name);
    memcpy(leaks->version, core->block.version, sizeof leaks->version);
    bool found = core_add_objects(core, leaks->profile) && search_all(search) == PROCESS_READ;
    look_forget(search);
    live_free(&search->live);
    live_free(&search->before);
    return found;
}

struct leaks *leaks_search_core(const char *path, const struct leaks_request *request)
{
    struct core core;
    struct roots_threads threads;
    struct leaks_request stopped = *request;
    stopped.stopped = &threads;
    if (!core_load(&core, path))
        return NULL;
    struct search *search = new_search(&stopped);
    bool found = search != NULL && core_threads(&core, &threads) && search_core(search, &core);
    struct leaks *leaks = search != NULL ? end_search(search, found) : NULL;
    if (search != NULL)
        roots_free_threads(&threads);
    core_unload(&core);
    return leaks;
}

void leaks_free(struct leaks *leaks)
{
    if (leaks == NULL)
        return;
    profile_free(leaks->stacks);
    profile_free(leaks->profile);
}
