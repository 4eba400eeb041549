/* SPDX-License-Identifier: MIT */
/* Reads the mappings of a process, in a child process, and finds out what they are used for. */
#define _GNU_SOURCE
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "profile_maps.h"
#include "reader/own.h"
#include "reader/parts.h"
#include "reader/residency.h"
#include "regions.h"

enum { REGIONS_FIRST = 1 << 10, REGIONS_MOST = 1 << 18, SECONDS = 60, LOOKS = 5, TASKS_MOST = 1 << 18 };
#define PARTS_MOST ((size_t)1 << 22)
#define PRESENT (UINT64_C(1) << 63) /* in an entry of /proc/PID/pagemap */

/* A part of the heap that is used for one thing. */
struct use {
    uintptr_t start, end;
    enum region_use use;
};

struct look {
    struct process *process;
    struct regions *regions;
    struct use *uses; /* by rising address */
    size_t use_count, use_room;
    size_t at, use_at; /* cursors of visits by rising address */
    struct reader_ranges kept, records;
    int pages;
};

/* ---- mappings ---------------------------------------------------------- */

static void add_sum(struct region_sum *sum, const struct region_sum *more)
{
    sum->mappings += more->mappings;
    sum->bytes += more->bytes;
    sum->resident += more->resident;
    sum->dirty += more->dirty;
    sum->swapped += more->swapped;
}

static struct region *new_region(struct regions *regions)
{
    if (regions->count == regions->room) {
        size_t room = regions->room == 0 ? REGIONS_FIRST : 2 * regions->room;
        struct region *list = room <= REGIONS_MOST ? profile_room(regions->profile, room, sizeof *list) : NULL;
        if (list == NULL)
            return NULL;
        if (regions->count > 0)
            memcpy(list, regions->list, regions->count * sizeof *list);
        regions->list = list;
        regions->room = room;
    }
    return &regions->list[regions->count++];
}

/* The first line of a mapping. */
static bool parse_head(char *line, struct region *region, char **path)
{
    int length = 0;
    line[strcspn(line, "\n")] = '\0';
    *region = (struct region){.sum.mappings = 1};
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNx64 " %*s %*u %n", &region->start, &region->end,
               region->permissions, &region->offset, &length) != 4 ||
        length == 0 || region->start >= region->end)
        return false;
    profile_clean(region->permissions);
    region->sum.bytes = region->end - region->start;
    *path = line + length;
    return true;
}

static void take_line(const char *line, struct region_sum *sum)
{
    const struct {
        const char *name;
        uint64_t *bytes;
    } wanted[] = {{"Rss:", &sum->resident}, {"Private_Dirty:", &sum->dirty}, {"Swap:", &sum->swapped}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        size_t length = strlen(wanted[i].name);
        if (strncmp(line, wanted[i].name, length) == 0)
            *wanted[i].bytes = strtoull(line + length, NULL, 10) << 10;
    }
}

static void subtract(uint64_t *from, uint64_t less)
{
    *from -= less < *from ? less : *from;
}

/*
 * The system tells of mappings by and by. Of one that has grown, or become one with its neighbours, meanwhile
 * some was told before.
 */
static void take_rest(const struct regions *regions, struct region *region)
{
    uintptr_t last = regions->count > 0 ? regions->list[regions->count - 1].end : 0;
    for (size_t i = regions->count; region->start < last && i > 0 && regions->list[i - 1].start >= region->start; i--) {
        subtract(&region->sum.resident, regions->list[i - 1].sum.resident);
        subtract(&region->sum.dirty, regions->list[i - 1].sum.dirty);
        subtract(&region->sum.swapped, regions->list[i - 1].sum.swapped);
    }
    if (region->start >= last)
        return;
    region->start = last < region->end ? last : region->end;
    region->sum.bytes = region->end - region->start;
}

static void add_region(struct regions *regions, struct region *region)
{
    take_rest(regions, region);
    struct region *added = region->start < region->end ? new_region(regions) : NULL;
    if (region->start >= region->end)
        return;
    add_sum(&regions->total, &region->sum);
    if (added != NULL) {
        *added = *region;
        return;
    }
    regions->left_out++;
    add_sum(&regions->sum[REGION_ANONYMOUS], &region->sum);
}

static bool read_mappings(struct regions *regions, FILE *smaps)
{
    struct region region = {0};
    char *line = NULL, *path;
    size_t room = 0;
    bool good = true;
    while (good && getline(&line, &room, smaps) > 0) {
        if (isupper((unsigned char)line[0])) {
            take_line(line, &region.sum);
            continue;
        }
        add_region(regions, &region);
        if (!parse_head(line, &region, &path)) {
            region = (struct region){0};
            continue;
        }
        char *kept = profile_keep(regions->profile, path);
        good = kept != NULL;
        if (good) {
            profile_clean(kept);
            region.path = kept;
        }
    }
    add_region(regions, &region);
    free(line);
    if (!good)
        errno = ENOMEM;
    return good && !ferror(smaps);
}

/* ---- the heap ---------------------------------------------------------- */

static bool add_part(const struct reader_part *part, void *context)
{
    struct look *look = context;
    uintptr_t end = part->start + (uintptr_t)part->bytes;
    enum region_use use = part->kind == READER_PART_SLAB ? REGION_SLABS
                          : part->kind == READER_PART_LARGE || part->kind == READER_PART_HUGE ? REGION_LARGE
                                                                                             : REGION_RETAINED;
    struct use *last = look->use_count > 0 ? &look->uses[look->use_count - 1] : NULL;
    if (last != NULL && last->use == use && last->end == part->start) {
        last->end = end;
        return true;
    }
    if (look->use_count == look->use_room) {
        size_t room = look->use_room == 0 ? REGIONS_FIRST : 2 * look->use_room;
        struct use *uses = room <= PARTS_MOST ? reallocarray(look->uses, room, sizeof *uses) : NULL;
        if (uses == NULL)
            return true; /* what is behind it is taken for retained */
        look->uses = uses;
        look->use_room = room;
    }
    look->uses[look->use_count++] = (struct use){part->start, end, use};
    return true;
}

/* Visits come by rising address, as mappings and parts do. */
static void add_resident(uintptr_t address, uint64_t bytes, void *context)
{
    struct look *look = context;
    struct regions *regions = look->regions;
    enum region_use use = REGION_RETAINED;
    while (look->at < regions->count && regions->list[look->at].end <= address)
        look->at++;
    while (look->use_at < look->use_count && look->uses[look->use_at].end <= address)
        look->use_at++;
    if (look->at == regions->count || regions->list[look->at].start > address)
        return;
    if (look->use_at < look->use_count && look->uses[look->use_at].start <= address)
        use = look->uses[look->use_at].use;
    regions->list[look->at].use[use] += bytes;
    regions->list[look->at].kind = REGION_HEAP;
}

struct count {
    const struct look *look;
    uint64_t pages, bytes;
};

/* Counts pages that are present. */
static void count_present(uintptr_t start, uintptr_t end, void *context)
{
    struct count *count = context;
    uint64_t entry[512];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = start & ~(page - 1);
    count->bytes += end - start;
    while (at < end) {
        size_t wanted = (end - at + page - 1) / page;
        if (wanted > sizeof entry / sizeof entry[0])
            wanted = sizeof entry / sizeof entry[0];
        ssize_t got = pread(count->look->pages, entry, wanted * sizeof entry[0], (off_t)(at / page * sizeof entry[0]));
        if (got <= 0)
            return;
        for (size_t i = 0; i < (size_t)got / sizeof entry[0]; i++)
            count->pages += (entry[i] & PRESENT) != 0;
        at += (size_t)got / sizeof entry[0] * page;
    }
}

static void note_range(uintptr_t start, uintptr_t end, void *any)
{
    (void)start;
    (void)end;
    *(bool *)any = true;
}

static uint64_t take(uint64_t *left, uint64_t part)
{
    uint64_t taken = part < *left ? part : *left;
    *left -= taken;
    return taken;
}

static bool has_parts(const struct look *look, const struct region *region)
{
    size_t low = 0, high = look->use_count; /* the first that ends above the start */
    bool kept = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (look->uses[middle].end <= region->start)
            low = middle + 1;
        else
            high = middle;
    }
    ranges_within(&look->kept, region->start, region->end, note_range, &kept);
    return kept || (low < look->use_count && look->uses[low].start < region->end);
}

/* An anonymous mapping of the library, or one that it shares with the program. */
static void find_heap(const struct look *look, struct region *region)
{
    struct count count = {look, 0, 0};
    if (region->kind != REGION_ANONYMOUS && region->kind != REGION_HEAP)
        return;
    ranges_within(&look->records, region->start, region->end, count_present, &count);
    if (has_parts(look, region))
        region->kind = REGION_HEAP;
    else if (region->kind == REGION_ANONYMOUS && count.bytes != 0)
        region->kind = REGION_RECORDS;
    if (region->kind != REGION_HEAP)
        return;
    uint64_t left = region->sum.resident;
    for (int i = 0; i < REGION_OWN_RECORDS; i++)
        region->use[i] = take(&left, region->use[i]);
    region->use[REGION_OWN_RECORDS] = take(&left, count.pages * (uint64_t)sysconf(_SC_PAGESIZE));
    region->use[REGION_OTHER] = left;
}

/* ---- other uses -------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_shared_memory(const struct region *region)
{
    return begins(region->path, "/dev/shm/") || begins(region->path, "/memfd:") || begins(region->path, "/SYSV") ||
           begins(region->path, "/dev/zero") || begins(region->path, "[anon_shmem") ||
           (region->path[0] == '\0' && region->permissions[3] == 's');
}

/* By its name and by the object in which it lies; what has no name is left for the heap and for stacks. */
static enum region_kind kind_of(const struct profile *profile, const struct region *region)
{
    const struct profile_mapping *object = profile_mapping_of(profile, region->start);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    bool whole = object != NULL && region->end <= ((object->end + page - 1) & ~(uint64_t)(page - 1));
    size_t length = whole ? strlen(object->path) : 0;
    if (begins(region->path, "[v")) /* [vdso], [vvar], [vvar_vclock], [vsyscall] */
        return REGION_KERNEL;
    if (begins(region->path, "[stack"))
        return REGION_STACK;
    if (strcmp(region->path, "[heap]") == 0)
        return REGION_BRK;
    if (is_shared_memory(region))
        return REGION_SHARED;
    if (region->path[0] == '/' && whole && strncmp(region->path, object->path, length) == 0)
        return region->permissions[2] == 'x' ? REGION_CODE : REGION_DATA;
    if (region->path[0] == '/')
        return REGION_FILE;
    if (whole)
        return REGION_DATA;
    return begins(region->permissions, "---") ? REGION_RESERVED : REGION_ANONYMOUS;
}

/* Variables that are zero at the start have memory without a file behind that of the file. */
static void find_kinds(struct regions *regions)
{
    for (size_t i = 0; i < regions->count; i++) {
        struct region *region = &regions->list[i];
        region->kind = kind_of(regions->profile, region);
        if (region->kind == REGION_DATA && region->path[0] == '\0')
            region->path = profile_mapping_of(regions->profile, region->start)->path;
    }
}

/* ---- stacks ------------------------------------------------------------ */

/* Where a thread's stack is, which the kernel tells of one that waits; 0: it runs, or has ended. */
static uintptr_t stack_of(pid_t pid, pid_t tid)
{
    char path[64], text[256], *space = NULL;
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    space = strrchr(text, ' '); /* "... SP PC", or "running" */
    if (space == NULL)
        return 0;
    *space = '\0';
    space = strrchr(text, ' ');
    return space != NULL ? (uintptr_t)strtoull(space + 1, NULL, 16) : 0;
}

static struct region *region_of(struct regions *regions, uintptr_t address)
{
    size_t low = 0, high = regions->count; /* the first that ends above the address */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (regions->list[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < regions->count && regions->list[low].start <= address ? &regions->list[low] : NULL;
}

static void add_stack(struct regions *regions, const struct thread *thread, uintptr_t address)
{
    struct region *region = region_of(regions, address);
    if (region == NULL || (region->kind != REGION_ANONYMOUS && region->kind != REGION_STACK))
        return;
    region->kind = REGION_STACK;
    if (region->threads++ > 0)
        return;
    region->thread = thread->tid;
    memcpy(region->thread_name, thread->name, sizeof region->thread_name);
}

static void find_stacks(struct regions *regions, const struct threads *threads, pid_t pid)
{
    static const struct timespec moment = {0, 1000000};
    bool *found = calloc(threads->count + 1, sizeof *found);
    regions->running = threads->count;
    for (int look = 0; found != NULL && look < LOOKS && regions->running > 0; look++) {
        if (look > 0)
            nanosleep(&moment, NULL);
        for (size_t i = 0; i < threads->count; i++) {
            uintptr_t address = found[i] ? 0 : stack_of(pid, threads->list[i].tid);
            if (address == 0)
                continue;
            found[i] = true;
            regions->running--;
            add_stack(regions, &threads->list[i], address);
        }
    }
    regions->running += threads->left_out;
    free(found);
}

/* ---- all --------------------------------------------------------------- */

static void add_up(struct regions *regions)
{
    for (size_t i = 0; i < regions->count; i++) {
        const struct region *region = &regions->list[i];
        add_sum(&regions->sum[region->kind], &region->sum);
        for (int use = 0; use < REGION_USES; use++)
            regions->use[use] += region->use[use];
    }
}

static FILE *open_smaps(pid_t pid)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
    return fopen(path, "re");
}

/* What the library knows of its memory. */
static enum process_result read_heap(struct look *look, const struct remote_memory *memory,
                                     const struct hak_stats_block *block)
{
    struct reader_summary summary;
    struct residency residency;
    enum reader_result result = reader_parts(memory, block, READER_READS_MOST, add_part, look, &summary);
    if (result == READER_DONE)
        result = own_read_kept(&look->kept, memory, block);
    if (result == READER_DONE)
        result = own_read_records(&look->records, memory, block);
    if (result == READER_UNREADABLE && errno != EFAULT)
        return process_complain_of(look->process, errno);
    if (result != READER_DONE)
        return process_complain(look->process, PROCESS_FAILED, "%s", reader_failure(result));
    errno = 0;
    if (!residency_read_granules(look->process->task, memory, block, &residency, add_resident, look))
        return process_complain_of(look->process, errno != 0 ? errno : EFAULT);
    for (size_t i = 0; i < look->regions->count; i++)
        find_heap(look, &look->regions->list[i]);
    return PROCESS_READ;
}

static enum process_result read_all(struct look *look, const struct remote_memory *memory,
                                    const struct hak_stats_block *block)
{
    struct process *process = look->process;
    char path[40];
    FILE *smaps = open_smaps(process->task);
    if (smaps == NULL)
        return process_complain_of(process, errno);
    errno = 0;
    bool good = read_mappings(look->regions, smaps);
    int error = errno;
    fclose(smaps);
    if (!good)
        return process_complain_of(process, error);
    find_kinds(look->regions);
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)process->task);
    look->pages = open(path, O_RDONLY | O_CLOEXEC);
    enum process_result result = read_heap(look, memory, block);
    close(look->pages);
    return result;
}

/* In a child process, which shares the mapping. */
static enum process_result look_at_regions(struct process *process, void *context)
{
    struct look look = {.process = process, .regions = context, .pages = -1};
    struct remote_memory memory;
    struct hak_stats_block block;
    struct threads *threads = malloc(THREADS_SIZE(TASKS_MOST));
    enum process_result result = process_find(process, &memory, &block);
    if (result == PROCESS_READ)
        result = profile_read_objects(process, &memory, look.regions->profile);
    if (result == PROCESS_READ)
        result = read_all(&look, &memory, &block);
    if (result == PROCESS_READ && threads != NULL) {
        threads_begin(threads, TASKS_MOST);
        threads_find(threads, process->pid, 0);
        find_stacks(look.regions, threads, process->pid);
    }
    add_up(look.regions);
    free(threads);
    return result;
}

struct regions *regions_read(pid_t pid)
{
    struct process process = {.pid = pid, .seconds = SECONDS};
    struct profile *profile = profile_new();
    struct regions *regions = profile != NULL ? profile_room(profile, 1, sizeof *regions) : NULL;
    if (regions == NULL) {
        profile_free(profile);
        return NULL;
    }
    regions->profile = profile;
    if (process_look_in_time(&process, look_at_regions, regions) != PROCESS_READ) {
        profile_free(profile);
        return NULL;
    }
    regions->pid = pid;
    memcpy(regions->name, process.name, sizeof regions->name);
    memcpy(regions->version, process.version, sizeof regions->version);
    return regions;
}

void regions_free(struct regions *regions)
{
    if (regions != NULL)
        profile_free(regions->profile);
}
