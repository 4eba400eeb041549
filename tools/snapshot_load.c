/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "profile_tables.h"
#include "snapshot.h"

enum { READS_MOST = 1 << 20 };

bool snapshot_load(const char *path, struct snapshot_opened *opened)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        command_error("%s: %s", path, strerror(errno));
        return false;
    }
    enum snapshot_result result = snapshot_open(&opened->file, fd, true);
    opened->memory = snapshot_memory(&opened->file);
    if (result != SNAPSHOT_READ) {
        command_error("%s: %s", path, snapshot_failure(result));
        snapshot_close(&opened->file);
        return false;
    }
    enum remote_result found =
        remote_block_read(&opened->memory, (uintptr_t)opened->file.header.block, &opened->block);
    if (found == REMOTE_FOUND)
        return true;
    if (found == REMOTE_OTHER_BLOCK)
        command_error("%s: its process used libhakmem %s, whose records hakmem %s cannot read", path,
                      opened->block.version, PACKAGE_VERSION);
    else
        command_error("%s: is a damaged snapshot", path);
    snapshot_close(&opened->file);
    return false;
}

void snapshot_unload(struct snapshot_opened *opened)
{
    snapshot_close(&opened->file);
}

bool snapshot_add_mappings(const struct snapshot_opened *opened, enum snapshot_mapping_kind kind,
                           struct profile *profile)
{
    const struct snapshot_file *file = &opened->file;
    size_t room = 0;
    for (uint64_t i = 0; i < file->header.mappings.count; i++) {
        const struct snapshot_mapping *mapping = &file->mappings[i];
        struct profile_map_line map = {.start = mapping->start, .end = mapping->end,
                                       .offset = mapping->offset, .path = file->names + mapping->name};
        if (mapping->kind != kind)
            continue;
        if (!profile_add_mapping(profile, &map, &room))
            return false;
        struct profile_mapping *added = &profile->mappings[profile->mapping_count - 1];
        added->deleted = mapping->deleted != 0;
        added->build_id_size = mapping->build_id_size;
        memcpy(added->build_id, mapping->build_id, mapping->build_id_size);
    }
    profile_sort_mappings(profile);
    return true;
}

void snapshot_name(const struct snapshot_opened *opened, char *name, size_t size)
{
    size_t length = strnlen(opened->file.header.name, size - 1);
    memcpy(name, opened->file.header.name, length);
    name[length] = '\0';
    for (char *byte = name; *byte != '\0'; byte++)
        if (*byte < ' ' || *byte >= 0x7f)
            *byte = '?';
}

void snapshot_residency(const struct snapshot_opened *opened, struct residency *residency)
{
    const struct snapshot_header *header = &opened->file.header;
    *residency = (struct residency){.is_known = header->residency_known != 0, .rss = header->rss,
                                    .peak = header->peak, .files = header->files,
                                    .swapped = header->swapped, .slabs = header->slabs,
                                    .large = header->large, .unused = header->unused};
}

/* ---- statistics -------------------------------------------------------- */

static void name_threads(const struct snapshot_file *file, struct threads *threads, uint64_t requested)
{
    size_t count = (size_t)file->header.threads.count;
    struct thread_name *names = calloc(count + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++)
        names[i] = (struct thread_name){file->threads[i].own_tid, file->threads[i].name};
    threads_name(threads, names, names != NULL ? count : 0, requested);
    free(names);
}

bool snapshot_read_process(const char *path, struct process *process, bool with_threads)
{
    struct snapshot_opened opened;
    struct threads *threads = with_threads ? malloc(THREADS_SIZE(THREADS_MOST)) : NULL;
    if (!snapshot_load(path, &opened)) {
        free(threads);
        return false;
    }
    if (threads != NULL)
        threads_begin(threads, THREADS_MOST);
    bool read = hak__snapshot_read_heaps(&opened.block, opened.memory.read, opened.memory.context, READS_MOST,
                                         &process->snapshot, threads != NULL ? threads_add_heap : NULL, threads);
    if (read && threads != NULL)
        name_threads(&opened.file, threads, process->snapshot.value[HAK_STAT_REQUESTED_BYTES]);
    process->threads = threads;
    if (!read)
        command_error("%s: has damaged statistics", path);
    int64_t pid = opened.file.header.pid;
    process->pid = pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
    snapshot_name(&opened, process->name, sizeof process->name);
    memcpy(process->version, opened.block.version, sizeof process->version);
    snapshot_residency(&opened, &process->residency);
    snapshot_unload(&opened);
    return read;
}

/* ---- profiles ---------------------------------------------------------- */

static bool complain_of_tables(const char *path, enum profile_tables_result result)
{
    switch (result) {
    case PROFILE_TABLES_READ:
        return true;
    case PROFILE_TABLES_NEVER_USED:
    case PROFILE_TABLES_NOT_YET:
        command_error("%s: its process was not profiled", path);
        return false;
    case PROFILE_TABLES_TOO_LARGE:
        command_error("%s: has a profile that does not fit in memory", path);
        return false;
    default:
        command_error("%s: has a damaged profile, or one that this command cannot read", path);
        return false;
    }
}

bool profile_read_snapshot(struct profile *profile, const char *path)
{
    struct snapshot_opened opened;
    if (!snapshot_load(path, &opened))
        return false;
    bool read = complain_of_tables(
        path, profile_tables_read(profile, &opened.memory, (uintptr_t)opened.block.profile,
                                  opened.file.header.tenths));
    snapshot_name(&opened, profile->name, sizeof profile->name);
    if (read && !snapshot_add_mappings(&opened, SNAPSHOT_CODE, profile)) {
        command_error("%s: has too many mappings of code", path);
        read = false;
    }
    snapshot_unload(&opened);
    return read;
}
