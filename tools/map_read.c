/* SPDX-License-Identifier: MIT */
/* Reads the heap of a process, and adds up what it is used for. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "api/snapshot.h"
#include "command.h"
#include "core_file.h"
#include "map.h"
#include "process.h"
#include "snapshot.h"
#include "stat_parts.h"

/* Enough for 256 GiB of slabs of one granule; of 32 bits, for all that there can be. */
#define PARTS_MOST ((size_t)1 << (sizeof(void *) > 4 ? 22 : 16))
#define MAP_SIZE (sizeof(struct map) + PARTS_MOST * sizeof(struct map_part))
enum { READS_MOST = 1 << 20 };

struct cursor {
    struct map *map;
    size_t at;
};

/* ---- shares ------------------------------------------------------------ */

enum map_key map_key_of(const struct reader_part *part)
{
    switch (part->kind) {
    case READER_PART_SLAB:
        return (enum map_key)part->class_idx;
    case READER_PART_LARGE:
        return MAP_LARGE;
    case READER_PART_HUGE:
        return MAP_HUGE;
    default:
        return MAP_EMPTY;
    }
}

static double take(uint64_t *left, uint64_t part)
{
    uint64_t taken = part < *left ? part : *left;
    *left -= taken;
    return (double)taken;
}

/* As hakmem stat has it of all together: what is resident is allocated as far as it can be, then cached. */
struct map_share map_share_of(const struct map_part *part)
{
    uint64_t left = part->resident < part->part.bytes ? part->resident : part->part.bytes;
    struct map_share share = {.absent = (double)(part->part.bytes - left)};
    share.allocated = take(&left, part->part.live_bytes);
    share.cached = take(&left, part->part.cached_bytes);
    if (map_key_of(&part->part) == MAP_EMPTY)
        share.retained = (double)left;
    else
        share.free = (double)left;
    return share;
}

void map_share_add(struct map_share *share, const struct map_share *more, double part)
{
    share->allocated += part * more->allocated;
    share->cached += part * more->cached;
    share->free += part * more->free;
    share->retained += part * more->retained;
    share->absent += part * more->absent;
}

double map_share_bytes(const struct map_share *share)
{
    return share->allocated + share->cached + share->free + share->retained + share->absent;
}

static void add_up(struct map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct reader_part *part = &map->parts[i].part;
        struct map_sum *sum = &map->sum[map_key_of(part)];
        struct map_share share = map_share_of(&map->parts[i]);
        sum->parts++;
        sum->blocks += part->live;
        sum->cached += part->cached;
        sum->capacity += part->capacity;
        map_share_add(&sum->share, &share, 1);
        map_share_add(&map->share, &share, 1);
    }
}

/* Mappings that the library keeps for reuse are resident without use, but have no place in the map. */
void map_totals(const struct map *map, struct map_total totals[MAP_TOTALS])
{
    static const struct map_total rows[MAP_TOTALS] = {
#define HAK_TOTAL(id, name, label, help)
#define HAK_PART(id, name, label, help) {#name, label, 0},
#include "stat_parts.def"
    };
    double left = (double)map->residency.rss;
    const double parts[MAP_TOTALS - 1] = {
        map->share.allocated, map->share.cached, map->share.free,
        (double)map->residency.unused, (double)map->metadata, (double)map->residency.files};
    memcpy(totals, rows, sizeof rows);
    for (int i = 0; i < MAP_TOTALS - 1; i++) {
        totals[i].bytes = parts[i] < left ? parts[i] : left;
        left -= totals[i].bytes;
    }
    totals[MAP_TOTALS - 1].bytes = left;
}

/* ---- the process ------------------------------------------------------- */

static bool add_part(const struct reader_part *part, void *context)
{
    struct map *map = context;
    if (map->count == PARTS_MOST)
        map->left_out++;
    else
        map->parts[map->count++] = (struct map_part){.part = *part};
    return true;
}

/* Parts and visits come by rising address. */
static void add_resident(uintptr_t address, uint64_t bytes, void *context)
{
    struct cursor *cursor = context;
    struct map *map = cursor->map;
    while (cursor->at < map->count &&
           map->parts[cursor->at].part.start + map->parts[cursor->at].part.bytes <= address)
        cursor->at++;
    if (cursor->at < map->count && map->parts[cursor->at].part.start <= address)
        map->parts[cursor->at].resident += bytes;
}

static enum process_result read_parts(const struct process *process, const struct remote_memory *memory,
                                      const struct hak_stats_block *block, struct map *map)
{
    enum reader_result result = reader_parts(memory, block, READER_READS_MOST, add_part, map, &map->summary);
    if (result == READER_DONE)
        return PROCESS_READ;
    if (result == READER_UNREADABLE && errno != EFAULT)
        return process_complain_of(process, errno);
    return process_complain(process, PROCESS_FAILED, "%s", reader_failure(result));
}

/* In a child process, which shares the map. */
static enum process_result read_map(struct process *process, void *context)
{
    struct map *map = context;
    struct cursor cursor = {.map = map};
    struct remote_memory memory;
    struct hak_stats_block block;
    enum process_result result = process_find(process, &memory, &block);
    if (result != PROCESS_READ)
        return result;
    errno = 0;
    if (!hak__snapshot_read(&block, memory.read, memory.context, READS_MOST, &process->snapshot))
        return errno != 0 ? process_complain_of(process, errno)
                          : process_complain(process, PROCESS_FAILED,
                                             "has damaged statistics: a list leads back to itself, or is too long");
    result = read_parts(process, &memory, &block, map);
    if (result != PROCESS_READ)
        return result;
    errno = 0;
    if (residency_read_granules(process->task, &memory, &block, &map->residency, add_resident, &cursor))
        return PROCESS_READ;
    return process_complain_of(process, errno != 0 ? errno : EFAULT);
}

static struct map *new_map(void)
{
    struct map *map =
        mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map != MAP_FAILED)
        return map;
    command_error("%s", strerror(errno));
    return NULL;
}

static void finish(struct map *map, const struct hak_snapshot *snapshot)
{
    map->metadata = snapshot->value[HAK_STAT_METADATA_BYTES];
    add_up(map);
}

struct map *map_read_process(pid_t pid)
{
    struct process process = {.pid = pid};
    struct map *map = new_map();
    if (map == NULL || process_look_in_time(&process, read_map, map) != PROCESS_READ) {
        map_free(map);
        return NULL;
    }
    map->pid = pid;
    memcpy(map->name, process.name, sizeof map->name);
    memcpy(map->version, process.version, sizeof map->version);
    finish(map, &process.snapshot);
    return map;
}

/* ---- files ------------------------------------------------------------- */

static bool read_file(struct map *map, const char *path, const struct remote_memory *memory,
                      const struct hak_stats_block *block, struct hak_snapshot *snapshot)
{
    enum reader_result result =
        hak__snapshot_read(block, memory->read, memory->context, READS_MOST, snapshot)
            ? reader_parts(memory, block, READER_READS_MOST, add_part, map, &map->summary)
            : READER_DAMAGED;
    if (result != READER_DONE)
        command_error("%s: %s", path, reader_failure(result));
    memcpy(map->version, block->version, sizeof map->version);
    return result == READER_DONE;
}

/* All bytes of several granules, which may be of several parts. */
static void add_residents(struct cursor *cursor, const struct snapshot_resident *resident)
{
    struct map *map = cursor->map;
    uint64_t end = resident->start + resident->bytes;
    if (resident->bytes <= HAK_GRANULE) {
        add_resident((uintptr_t)resident->start, resident->bytes, cursor);
        return;
    }
    add_resident((uintptr_t)resident->start, 0, cursor); /* leads to the first part */
    for (size_t i = cursor->at; i < map->count && map->parts[i].part.start < end; i++) {
        struct map_part *part = &map->parts[i];
        uint64_t from = part->part.start > resident->start ? part->part.start : resident->start;
        uint64_t to = part->part.start + part->part.bytes < end ? part->part.start + part->part.bytes : end;
        part->resident += to - from;
        cursor->at = i;
    }
}

static bool read_snapshot(struct map *map, const char *path, const struct snapshot_opened *opened)
{
    static struct hak_snapshot snapshot;
    struct cursor cursor = {.map = map};
    snapshot_residency(opened, &map->residency);
    if (!map->residency.is_known) {
        command_error("%s: does not record which memory was resident", path);
        return false;
    }
    if (!read_file(map, path, &opened->memory, &opened->block, &snapshot))
        return false;
    for (uint64_t i = 0; i < opened->file.header.residents.count; i++)
        add_residents(&cursor, &opened->file.residents[i]);
    snapshot_name(opened, map->name, sizeof map->name);
    int64_t pid = opened->file.header.pid;
    map->pid = pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
    finish(map, &snapshot);
    return true;
}

struct map *map_read_snapshot(const char *path)
{
    struct snapshot_opened opened;
    if (!snapshot_load(path, &opened))
        return NULL;
    struct map *map = new_map();
    bool read = map != NULL && read_snapshot(map, path, &opened);
    snapshot_unload(&opened);
    if (read)
        return map;
    map_free(map);
    return NULL;
}

static bool read_core(struct map *map, const struct core *core)
{
    static struct hak_snapshot snapshot;
    struct cursor cursor = {.map = map};
    if (!read_file(map, core->path, &core->memory, &core->block, &snapshot) ||
        !core_residency(core, &map->residency, add_resident, &cursor))
        return false;
    core_name(core, map->name, sizeof map->name);
    finish(map, &snapshot);
    map->residency.unused = (uint64_t)map->share.retained; /* a core does not tell of itself */
    return true;
}

struct map *map_read_core(const char *path)
{
    struct core core;
    if (!core_load(&core, path))
        return NULL;
    struct map *map = new_map();
    bool read = map != NULL && read_core(map, &core);
    core_unload(&core);
    if (read)
        return map;
    map_free(map);
    return NULL;
}

void map_free(struct map *map)
{
    if (map != NULL)
        munmap(map, MAP_SIZE);
}
