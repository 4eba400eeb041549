/* SPDX-License-Identifier: MIT */
/* Types of C++ objects by the names that people know. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "process.h"
#include "profile.h"
#include "profile_debug.h"
#include "reader/clock.h"

/* For the names in the process's memory together, for one of them, and for those of symbols in files. */
enum { SECONDS = 10, SECONDS_OF_ONE = 2, SECONDS_OF_SYMBOLS = 60 };

/* Shared with children. */
struct naming {
    struct profile *profile;
    const uint64_t *words;
    const char **types;
    size_t count;
    size_t next; /* the first whose name in memory was not looked at */
    double end;  /* when that is to be over */
};

static enum process_result name_by_memory(struct process *process, void *context)
{
    struct naming *naming = context;
    struct profile *profile = naming->profile;
    (void)process;
    while (naming->next < naming->count) {
        size_t i = naming->next++;
        const char *mangled = profile_mangled_type(profile, naming->words[i]);
        if (mangled == NULL)
            continue;
        if (clock_seconds() >= naming->end)
            return PROCESS_FAILED;
        alarm(SECONDS_OF_ONE);
        char *name = profile_debug_type(mangled);
        const char *kept = profile_keep(profile, name);
        if (kept != NULL)
            naming->types[i] = kept;
        free(name);
    }
    return PROCESS_READ;
}

static enum process_result name_by_symbols(struct process *process, void *context)
{
    const struct naming *naming = context;
    struct profile *profile = naming->profile;
    (void)process;
    if (!profile_symbols_open(profile))
        return PROCESS_FAILED;
    for (size_t i = 0; i < naming->count; i++)
        if (naming->types[i] == NULL)
            naming->types[i] = profile_type_of(profile, naming->words[i]);
    profile_symbols_close(profile);
    return PROCESS_READ;
}

/* A name can be made to end the child that demangles it: the next child goes on behind it. */
static bool name_all_by_memory(const struct process *process, struct naming *naming)
{
    bool all = true, moves = true;
    naming->end = clock_seconds() + SECONDS;
    while (moves && naming->next < naming->count && clock_seconds() < naming->end) {
        struct process look = *process;
        size_t before = naming->next;
        look.seconds = SECONDS;
        if (process_look_in_time(&look, name_by_memory, naming) != PROCESS_READ)
            all = false;
        moves = naming->next != before;
    }
    return all && naming->next == naming->count;
}

static bool name_all_by_symbols(const struct process *process, struct naming *naming)
{
    struct process look = *process;
    look.seconds = SECONDS_OF_SYMBOLS;
    bool all = process_look_in_time(&look, name_by_symbols, naming) == PROCESS_READ;
    naming->profile->symbols = NULL; /* they were the child's */
    return all;
}

void profile_name_types(struct profile *profile, const uint64_t *words, size_t count, const char **types)
{
    const struct process process = {.pid = profile->pid, .silent = true};
    struct naming *naming = count > 0 && profile_debug_available ? profile_room(profile, 1, sizeof *naming) : NULL;
    bool all = count == 0 || !profile_debug_available;
    if (naming != NULL) {
        *naming = (struct naming){.profile = profile, .words = words, .types = types, .count = count};
        all = name_all_by_memory(&process, naming);
        all = name_all_by_symbols(&process, naming) && all;
    }
    if (!all)
        command_warning("the search for type names took too much time or memory; some types are missing");
}
