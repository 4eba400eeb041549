/* SPDX-License-Identifier: MIT */
/* Types of C++ objects by the names that people know. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "process.h"
#include "profile.h"
#include "profile_debug.h"

enum { SECONDS = 60 };

/* Shared with the child. */
struct naming {
    struct profile *profile;
    const uint64_t *words;
    const char **types;
    size_t count;
};

/* Those of the process's memory come first, since no file must be read for them. */
static enum process_result name_types(struct process *process, void *context)
{
    const struct naming *naming = context;
    struct profile *profile = naming->profile;
    (void)process;
    for (size_t i = 0; i < naming->count; i++) {
        const char *mangled = profile_mangled_type(profile, naming->words[i]);
        char *name = mangled != NULL ? profile_debug_type(mangled) : NULL;
        char *kept = name != NULL ? profile_room(profile, strlen(name) + 1, 1) : NULL;
        if (kept != NULL)
            naming->types[i] = strcpy(kept, name);
        free(name);
    }
    if (!profile_symbols_open(profile))
        return PROCESS_FAILED;
    for (size_t i = 0; i < naming->count; i++)
        if (naming->types[i] == NULL)
            naming->types[i] = profile_type_of(profile, naming->words[i]);
    profile_symbols_close(profile);
    return PROCESS_READ;
}

void profile_name_types(struct profile *profile, const uint64_t *words, size_t count, const char **types)
{
    struct naming naming = {profile, words, types, count};
    struct process process = {.pid = profile->pid, .silent = true, .seconds = SECONDS};
    bool named = count == 0 || !profile_debug_available ||
                 process_look_in_time(&process, name_types, &naming) == PROCESS_READ;
    profile->symbols = NULL; /* they were the child's */
    if (!named)
        command_warning("the search for names of types took more than %u seconds, or too much memory; some types "
                        "are missing", SECONDS);
}
