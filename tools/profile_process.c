/* SPDX-License-Identifier: MIT */
/* The profile of a running process, read from its memory, and the switch of its profiler. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "process.h"
#include "profile.h"
#include "profile_maps.h"
#include "profile/tables.h"
#include "profile_tables.h"
#include "reader/clock.h"

static_assert((int)PROFILE_BUILD_ID_MOST == (int)REMOTE_BUILD_ID_MOST, "build IDs are copied");

enum { MAPPINGS_MOST = 1 << 14 };

/* ---- mappings ---------------------------------------------------------- */

static bool is_wanted(const struct profile_map_line *map)
{
    return map->executable && (map->path[0] == '/' || strcmp(map->path, "[vdso]") == 0);
}

/* Adds a mapping of code. image: the mapping of the start of a file that was met last. */
static bool add_mapping(struct profile *profile, const struct remote_memory *memory,
                        const struct profile_map_line *map, const struct profile_map_line *image,
                        size_t *room)
{
    if (!profile_add_mapping(profile, map, room))
        return false;
    struct profile_mapping *added = &profile->mappings[profile->mapping_count - 1];
    if (image->device == map->device && image->inode == map->inode && image->end != 0)
        added->build_id_size = remote_build_id(memory, (uintptr_t)image->start, added->build_id);
    return true;
}

enum process_result profile_read_code(struct process *process, const struct remote_memory *memory,
                                      struct profile *profile)
{
    char path[40], *line = NULL;
    size_t length = 0, room = 0;
    bool added = true;
    struct profile_map_line map, image = {0};
    snprintf(path, sizeof path, "/proc/%d/maps", (int)process->task);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        return process_complain_of(process, errno);
    while (added && profile->mapping_count < MAPPINGS_MOST && getline(&line, &length, maps) > 0) {
        if (!profile_parse_map(line, &map))
            continue;
        if (map.offset == 0 && map.readable)
            image = map;
        if (is_wanted(&map))
            added = add_mapping(profile, memory, &map, &image, &room);
    }
    free(line);
    fclose(maps);
    return added ? PROCESS_READ
                 : process_complain(process, PROCESS_FAILED, "has too many mappings of code");
}

/* ---- tables ------------------------------------------------------------ */

static enum process_result complain_of_tables(const struct process *process,
                                              enum profile_tables_result result)
{
    switch (result) {
    case PROFILE_TABLES_UNREADABLE:
        if (errno != EFAULT)
            return process_complain_of(process, errno);
        return process_complain(process, PROCESS_FAILED,
                                "has a damaged profile: it leads to memory that does not exist");
    case PROFILE_TABLES_OTHER:
        return process_complain(process, PROCESS_FAILED,
                                "has a profile that hakmem %s cannot read", PACKAGE_VERSION);
    case PROFILE_TABLES_NEVER_USED:
        return process_complain(process, PROCESS_FAILED,
                                "has not been profiled; use --seconds to profile it for some time, or "
                                "--start, or start its program with HAKMEM_CONF=profile=512K");
    case PROFILE_TABLES_NOT_YET:
        return process_complain(process, PROCESS_FAILED,
                                "has not allocated enough since its profiler was switched on; record "
                                "for a longer time, or with a smaller interval, such as --interval 64K");
    case PROFILE_TABLES_TOO_LARGE:
        return process_complain(process, PROCESS_FAILED, "has a profile that does not fit in memory");
    default:
        return process_complain(process, PROCESS_FAILED, "has a damaged profile");
    }
}

/* In a child process; the profile's memory is shared with it. */
static enum process_result read_profile(struct process *process, void *context)
{
    struct profile *profile = context;
    struct remote_memory memory;
    struct hak_stats_block block;
    enum process_result result = process_find(process, &memory, &block);
    if (result != PROCESS_READ)
        return result;
    enum profile_tables_result tables =
        profile_tables_read(profile, &memory, (uintptr_t)block.profile, clock_tenths());
    if (tables != PROFILE_TABLES_READ)
        return complain_of_tables(process, tables);
    return profile_read_code(process, &memory, profile);
}

bool profile_read_process(struct profile *profile, pid_t pid)
{
    struct process process = {.pid = pid};
    if (process_look_in_time(&process, read_profile, profile) != PROCESS_READ)
        return false;
    profile->pid = pid;
    memcpy(profile->name, process.name, sizeof profile->name);
    return true;
}

/* ---- the switch -------------------------------------------------------- */

/* Shared with the child. */
struct change {
    uint64_t expected, interval;
    enum profile_switched result;
};

static enum process_result change_interval(struct process *process, void *context)
{
    struct change *change = context;
    struct remote_memory memory;
    struct hak_stats_block block;
    uint64_t interval = 0;
    enum process_result result = process_find(process, &memory, &block);
    if (result != PROCESS_READ)
        return result;
    uintptr_t word = (uintptr_t)block.profile + offsetof(struct hak_profile, interval);
    if (!memory.read(memory.context, (const void *)word, &interval, sizeof interval))
        return process_complain_of(process, errno);
    if (interval != change->expected) {
        change->interval = interval;
        change->result = PROFILE_UNCHANGED;
        return PROCESS_READ;
    }
    struct iovec here = {&change->interval, sizeof change->interval};
    struct iovec there = {(void *)word, sizeof change->interval};
    if (process_vm_writev(process->task, &here, 1, &there, 1, 0) != sizeof change->interval)
        return process_complain_of(process, errno);
    change->result = PROFILE_SWITCHED;
    return PROCESS_READ;
}

enum profile_switched profile_switch(pid_t pid, uint64_t expected, uint64_t *interval)
{
    struct process process = {.pid = pid};
    struct change *change = mmap(NULL, sizeof *change, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (change == MAP_FAILED) {
        process_complain_of(&process, errno);
        return PROFILE_SWITCH_FAILED;
    }
    *change = (struct change){expected, *interval, PROFILE_SWITCH_FAILED};
    enum profile_switched result = PROFILE_SWITCH_FAILED;
    if (process_look_in_time(&process, change_interval, change) == PROCESS_READ)
        result = change->result;
    *interval = change->interval;
    munmap(change, sizeof *change);
    return result;
}
