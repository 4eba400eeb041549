/* SPDX-License-Identifier: MIT */
/* The profile in a core file. */
#include "config.h"

#include "command.h"
#include "core_file.h"
#include "profile.h"
#include "profile_tables.h"

static bool complain(const char *path, const char *text)
{
    command_error("%s: %s", path, text);
    return false;
}

static bool read_tables(struct profile *profile, const struct core *core)
{
    switch (profile_tables_read(profile, &core->memory, (uintptr_t)core->block.profile, 0)) {
    case PROFILE_TABLES_READ:
        break;
    case PROFILE_TABLES_UNREADABLE:
        return complain(core->path, "has no profile: that part of memory is not in the core");
    case PROFILE_TABLES_NEVER_USED:
    case PROFILE_TABLES_NOT_YET:
        return complain(core->path, "its process was not profiled");
    case PROFILE_TABLES_OTHER:
        return complain(core->path, "has a profile that this command cannot read");
    case PROFILE_TABLES_TOO_LARGE:
        return complain(core->path, "has a profile that does not fit in memory");
    case PROFILE_TABLES_DAMAGED:
        return complain(core->path, "has a damaged profile");
    }
    core_name(core, profile->name, sizeof profile->name);
    return core_add_code(core, profile);
}

bool profile_read_core(struct profile *profile, const char *path)
{
    struct core core;
    if (!core_load(&core, path))
        return false;
    bool read = read_tables(profile, &core);
    core_unload(&core);
    return read;
}
