/* SPDX-License-Identifier: MIT */
/*
 * Takes a snapshot: looks at the process in all ways that the command knows, through a recorder, so that
 * the same looks find in the file what they need.
 */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "profile_maps.h"
#include "profile_tables.h"
#include "reader/clock.h"
#include "reader/parts.h"
#include "reader/recorder.h"
#include "reader/stop.h"
#include "reader/walk.h"
#include "snapshot.h"

static_assert((int)SNAPSHOT_BUILD_ID_MOST == (int)PROFILE_BUILD_ID_MOST, "build IDs are copied");

enum { SECONDS = 300, READS_MOST = 1 << 20, PART = 1 << 20 };

struct taking {
    const struct snapshot_options *options;
    int fd;
    struct profile *objects, *code, *scratch;
    struct threads *threads;
    struct snapshot_report report;
};

/* ---- the looks --------------------------------------------------------- */

struct contents {
    struct remote_memory memory;
    bool wanted;
    uint64_t covered; /* pages up to there were read, as far as blocks lie on them */
    struct profile *objects;
    const struct profile_mapping *object; /* that had the last word */
    char part[PART];
};

/* The types of objects can be found later by what the program has in memory for them. */
static void note_word(const struct reader_block *block, struct contents *contents)
{
    if (block->state == READER_LIVE && profile_may_be_table(contents->objects, block->word[0], &contents->object))
        profile_add_word(contents->objects, block->word[0]);
}

/* Whole pages, which blocks share. */
static bool copy_contents(const struct reader_block *block, void *context)
{
    struct contents *contents = context;
    uint64_t page = contents->memory.page_size, start = block->address & ~(page - 1);
    uint64_t end = (block->address + block->size + page - 1) & ~(page - 1);
    note_word(block, contents);
    if (!contents->wanted || block->state != READER_LIVE)
        return true;
    if (start < contents->covered)
        start = contents->covered;
    for (uint64_t at = start; at < end; at += PART) {
        size_t size = end - at < PART ? (size_t)(end - at) : PART;
        if (!remote_read(&contents->memory, (uintptr_t)at, contents->part, size))
            break;
    }
    if (end > contents->covered)
        contents->covered = end;
    return true;
}

static bool pass_part(const struct reader_part *part, void *context)
{
    (void)part;
    (void)context;
    return true;
}

static enum reader_result look_at_all(struct process *process, const struct taking *taking,
                                      const struct remote_memory *memory, uint64_t tenths)
{
    static struct contents contents;
    struct hak_stats_block block;
    struct reader_summary summary;
    errno = EFAULT;
    if (remote_block_read(memory, process->block, &block) != REMOTE_FOUND)
        return READER_UNREADABLE;
    contents.memory = *memory;
    contents.wanted = taking->options->contents;
    contents.objects = taking->objects;
    errno = 0;
    if (!hak__snapshot_read_heaps(&block, memory->read, memory->context, READS_MOST, &process->snapshot,
                                  threads_add_heap, taking->threads))
        return errno != 0 ? READER_UNREADABLE : READER_DAMAGED;
    profile_tables_read(taking->scratch, memory, (uintptr_t)block.profile, tenths); /* where there is one */
    enum reader_result result = reader_parts(memory, &block, READER_READS_MOST, pass_part, NULL, &summary);
    if (result != READER_DONE)
        return result;
    return reader_walk(memory, &block, READER_READS_MOST, copy_contents, &contents, &summary);
}

static void add_resident(uintptr_t address, uint64_t bytes, void *recorder)
{
    recorder_add_resident(recorder, address, bytes);
}

/* After the process goes on: its threads have names, and parts of its memory are resident. */
static void look_further(struct process *process, const struct taking *taking, const struct remote_memory *memory,
                         const struct hak_stats_block *block, struct recorder *recorder)
{
    if (!residency_read_granules(process->task, memory, block, &process->residency, add_resident, recorder))
        recorder_drop_residents(recorder);
    threads_find(taking->threads, process->pid, process->snapshot.value[HAK_STAT_REQUESTED_BYTES]);
    for (size_t i = 0; i < taking->threads->count; i++)
        recorder_add_thread(recorder, taking->threads->list[i].own_tid, taking->threads->list[i].name);
}

static void add_mappings(struct recorder *recorder, const struct profile *profile,
                         enum snapshot_mapping_kind kind)
{
    for (size_t i = 0; i < profile->mapping_count; i++) {
        const struct profile_mapping *mapping = &profile->mappings[i];
        struct snapshot_mapping copy = {.start = mapping->start, .end = mapping->end,
                                        .offset = mapping->offset, .kind = kind,
                                        .deleted = mapping->deleted,
                                        .build_id_size = (uint32_t)mapping->build_id_size};
        memcpy(copy.build_id, mapping->build_id, mapping->build_id_size);
        recorder_add_mapping(recorder, &copy, mapping->path);
    }
}

static void set_residency(struct snapshot_header *header, const struct residency *residency)
{
    header->residency_known = residency->is_known;
    header->rss = residency->rss;
    header->peak = residency->peak;
    header->files = residency->files;
    header->swapped = residency->swapped;
    header->slabs = residency->slabs;
    header->large = residency->large;
    header->unused = residency->unused;
}

static enum process_result complain_of(struct process *process, enum reader_result result, int error)
{
    if (result == READER_UNREADABLE)
        return process_complain_of(process, error);
    return process_complain(process, PROCESS_FAILED, "%s", reader_failure(result));
}

static enum process_result record(struct process *process, struct taking *taking,
                                  const struct remote_memory *memory, const struct hak_stats_block *block)
{
    struct recorder recorder;
    struct reader_stop stop;
    struct snapshot_header header = {.block = process->block, .pid = process->pid, .taken = time(NULL),
                                     .tenths = clock_tenths()};
    FILE *file = fdopen(taking->fd, "w");
    if (file == NULL)
        return process_complain_of(process, errno);
    memcpy(header.name, process->name, sizeof header.name);
    recorder_begin(&recorder, memory, file);
    struct remote_memory recorded = recorder_memory(&recorder);
    if (!taking->options->no_stop && !reader_stop_begin(&stop, process->pid))
        return process_complain_of_stop(process, errno);
    enum reader_result result = look_at_all(process, taking, &recorded, header.tenths);
    int error = errno;
    if (!taking->options->no_stop)
        taking->report.stopped = reader_stop_end(&stop);
    if (result != READER_DONE)
        return complain_of(process, result, error);
    header.stopped_ns = (uint64_t)(taking->report.stopped * 1e9);
    profile_read_types(taking->objects, memory);
    profile_record_types(taking->objects, &recorded);
    look_further(process, taking, memory, block, &recorder);
    set_residency(&header, &process->residency);
    add_mappings(&recorder, taking->objects, SNAPSHOT_OBJECT);
    add_mappings(&recorder, taking->code, SNAPSHOT_CODE);
    if (!recorder_end(&recorder, &header))
        return process_complain(process, PROCESS_FAILED, "was not recorded: %s", strerror(errno));
    taking->report.size = header.size;
    return PROCESS_READ;
}

/* In a child process. */
static enum process_result take(struct process *process, void *context)
{
    struct taking *taking = context;
    struct remote_memory memory;
    struct hak_stats_block block;
    enum process_result result = process_find(process, &memory, &block);
    if (result == PROCESS_READ)
        result = profile_read_objects(process, &memory, taking->objects);
    if (result == PROCESS_READ)
        result = profile_read_code(process, &memory, taking->code);
    return result == PROCESS_READ ? record(process, taking, &memory, &block) : result;
}

/* ---- the file ---------------------------------------------------------- */

/* Shared with the child. */
static bool take_to(pid_t pid, int fd, const struct snapshot_options *options, struct snapshot_report *report)
{
    struct process process = {.pid = pid, .seconds = SECONDS};
    struct taking *taking =
        mmap(NULL, sizeof *taking, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (taking == MAP_FAILED) {
        command_error("%s", strerror(errno));
        return false;
    }
    *taking = (struct taking){.options = options, .fd = fd, .objects = profile_new(), .code = profile_new(),
                              .scratch = profile_new(), .threads = malloc(THREADS_SIZE(THREADS_MOST))};
    if (taking->threads != NULL)
        threads_begin(taking->threads, THREADS_MOST);
    bool taken = taking->objects != NULL && taking->code != NULL && taking->scratch != NULL &&
                 taking->threads != NULL &&
                 process_look_in_time(&process, take, taking) == PROCESS_READ;
    *report = taking->report;
    profile_free(taking->objects);
    profile_free(taking->code);
    profile_free(taking->scratch);
    free(taking->threads);
    munmap(taking, sizeof *taking);
    return taken;
}

bool snapshot_take(pid_t pid, const char *path, const struct snapshot_options *options,
                   struct snapshot_report *report)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.XXXXXX", path) < 0)
        return false;
    int fd = mkostemp(beside, O_CLOEXEC); /* its owner alone may read it: it has memory of a process */
    if (fd < 0) {
        command_error("%s: %s", path, strerror(errno));
        free(beside);
        return false;
    }
    bool taken = take_to(pid, fd, options, report);
    close(fd);
    if (taken && rename(beside, path) != 0) {
        command_error("%s: %s", path, strerror(errno));
        taken = false;
    }
    if (!taken)
        unlink(beside);
    free(beside);
    return taken;
}
