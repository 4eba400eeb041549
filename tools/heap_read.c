/* SPDX-License-Identifier: MIT */
/* Reads and counts the blocks of a process. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "heap.h"
#include "command.h"
#include "core_file.h"
#include "process.h"
#include "profile_maps.h"
#include "reader/stop.h"
#include "snapshot.h"

enum {
    OBJECTS_MOST = 1 << 14,
    WORDS_FIRST = 1 << 12,
    WORDS_MOST = 1 << 20,
    SECONDS = 60
};

struct collector {
    struct heap *heap;
    const struct heap_request *request;
    const struct remote_memory *memory;
    const struct profile_mapping *object; /* that had the last word */
};

/* ---- loaded objects ---------------------------------------------------- */

enum process_result profile_read_objects(struct process *process, const struct remote_memory *memory,
                                         struct profile *profile)
{
    char path[40], *line = NULL;
    size_t length = 0, room = 0;
    bool added = true;
    struct profile_map_line map;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)process->task);
    FILE *maps = fopen(path, "re");
    if (maps == NULL)
        return process_complain_of(process, errno);
    while (added && profile->mapping_count < OBJECTS_MOST && getline(&line, &length, maps) > 0) {
        uintptr_t end = 0;
        if (!profile_parse_map(line, &map) || map.path[0] != '/' || map.offset != 0 || !map.readable ||
            !remote_image_end(memory, (uintptr_t)map.start, &end))
            continue;
        map.end = end;
        added = profile_add_mapping(profile, &map, &room);
        if (added) {
            struct profile_mapping *object = &profile->mappings[profile->mapping_count - 1];
            object->build_id_size = remote_build_id(memory, (uintptr_t)map.start, object->build_id);
        }
    }
    free(line);
    fclose(maps);
    return added ? PROCESS_READ
                 : process_complain(process, PROCESS_FAILED, "has too many loaded libraries");
}

/* ---- counting ---------------------------------------------------------- */

static void add(struct heap_sum *sum, uint64_t bytes)
{
    sum->blocks++;
    sum->bytes += bytes;
}

static struct heap_word *look_up(struct heap_word *words, size_t room, uint64_t word)
{
    size_t at = (size_t)(word * 0x9e3779b97f4a7c15u >> 24) & (room - 1);
    while (words[at].word != 0 && words[at].word != word)
        at = (at + 1) & (room - 1);
    return &words[at];
}

static bool grow_words(struct heap *heap)
{
    size_t room = heap->word_room == 0 ? WORDS_FIRST : 2 * heap->word_room;
    struct heap_word *words =
        room <= WORDS_MOST ? profile_room(heap->profile, room, sizeof *words) : NULL;
    if (words == NULL)
        return false;
    for (size_t i = 0; i < heap->word_room; i++)
        if (heap->words[i].word != 0)
            *look_up(words, room, heap->words[i].word) = heap->words[i];
    heap->words = words;
    heap->word_room = room;
    return true;
}

static void add_word(struct heap *heap, uint64_t word, uint64_t bytes)
{
    if (heap->word_count >= heap->word_room / 2 && !grow_words(heap)) {
        add(&heap->uncounted, bytes);
        return;
    }
    struct heap_word *found = look_up(heap->words, heap->word_room, word);
    heap->word_count += found->word == 0;
    found->word = word;
    add(&found->sum, bytes);
}

/* The bytes of a block that are to be shown; those that every source has if no more can be read. */
static void copy_content(struct collector *collector, const struct reader_block *block,
                         struct heap_block *listed)
{
    size_t size = block->size < collector->request->dump ? (size_t)block->size : collector->request->dump;
    if (size == 0)
        return;
    unsigned char *content = profile_room(collector->heap->profile, size, 1);
    if (content == NULL)
        return;
    if (!remote_read(collector->memory, block->address, content, size)) {
        size = size < sizeof block->word ? size : sizeof block->word;
        memcpy(content, block->word, size);
    }
    listed->content = content;
    listed->content_size = size;
}

static void list(struct collector *collector, const struct reader_block *block)
{
    struct heap *heap = collector->heap;
    struct heap_list *last = heap->last;
    if (last == NULL || last->count == sizeof last->block / sizeof last->block[0]) {
        struct heap_list *more = profile_room(heap->profile, 1, sizeof *more);
        if (more == NULL) {
            heap->left_out++;
            return;
        }
        *(last != NULL ? &last->next : &heap->first) = more;
        heap->last = last = more;
    }
    struct heap_block *listed = &last->block[last->count++];
    *listed = (struct heap_block){.address = block->address, .size = block->size, .word = block->word[0]};
    copy_content(collector, block, listed);
}

/* The number of a row for blocks of a size. */
static unsigned size_index(const struct reader_block *block)
{
    return block->kind == READER_SMALL ? block->class_idx
                                       : HAK_CLASS_COUNT + hak__highest_bit(block->size);
}

static bool collect(const struct reader_block *block, void *context)
{
    struct collector *collector = context;
    struct heap *heap = collector->heap;
    if (block->state != READER_LIVE) {
        add(&heap->free, block->size);
        return true;
    }
    bool has_word = profile_may_be_table(heap->profile, block->word[0], &collector->object);
    add(&heap->live, block->size);
    add(&heap->size[size_index(block)], block->size);
    if (has_word)
        add_word(heap, block->word[0], block->size);
    const struct heap_request *request = collector->request;
    bool by_size = request->list_to != 0;
    if (request->list &&
        (by_size ? block->size >= request->list_from && block->size <= request->list_to : has_word))
        list(collector, block);
    return true;
}

/* After the walk: the process may go on. */
static void read_types(struct heap *heap, const struct remote_memory *memory)
{
    for (size_t i = 0; i < heap->word_room; i++)
        profile_add_word(heap->profile, heap->words[i].word);
    profile_read_types(heap->profile, memory);
}

/* ---- the process ------------------------------------------------------- */

struct look {
    struct heap *heap;
    const struct heap_request *request;
};

static enum process_result walk(struct process *process, const struct remote_memory *memory,
                                const struct hak_stats_block *block, const struct look *look)
{
    struct heap *heap = look->heap;
    struct reader_stop stop;
    struct collector collector = {.heap = heap, .request = look->request, .memory = memory};
    if (!look->request->no_stop && !reader_stop_begin(&stop, process->pid))
        return process_complain_of_stop(process, errno);
    enum reader_result result =
        reader_walk(memory, block, READER_READS_MOST, collect, &collector, &heap->summary);
    int error = errno;
    if (!look->request->no_stop)
        heap->stopped = reader_stop_end(&stop);
    if (result == READER_DONE) {
        read_types(heap, memory);
        return PROCESS_READ;
    }
    if (result == READER_UNREADABLE && error != EFAULT)
        return process_complain_of(process, error);
    return process_complain(process, PROCESS_FAILED, "%s", reader_failure(result));
}

/* In a child process, which shares the mapping. */
static enum process_result read_heap(struct process *process, void *context)
{
    struct look *look = context;
    struct remote_memory memory;
    struct hak_stats_block block;
    enum process_result result = process_find(process, &memory, &block);
    if (result == PROCESS_READ)
        result = profile_read_objects(process, &memory, look->heap->profile);
    return result == PROCESS_READ ? walk(process, &memory, &block, look) : result;
}

static struct heap *new_heap(void)
{
    struct profile *profile = profile_new();
    struct heap *heap = profile != NULL ? profile_room(profile, 1, sizeof *heap) : NULL;
    if (heap != NULL)
        heap->profile = profile;
    else
        profile_free(profile);
    return heap;
}

struct heap *heap_read_process(pid_t pid, const struct heap_request *request)
{
    struct process process = {.pid = pid, .seconds = SECONDS};
    struct heap *heap = new_heap();
    struct look look = {heap, request};
    if (heap == NULL || process_look_in_time(&process, read_heap, &look) != PROCESS_READ) {
        heap_free(heap);
        return NULL;
    }
    heap->pid = heap->profile->pid = pid;
    memcpy(heap->name, process.name, sizeof heap->name);
    memcpy(heap->version, process.version, sizeof heap->version);
    return heap;
}

/* ---- files ------------------------------------------------------------- */

static bool walk_file(struct heap *heap, const char *path, const struct remote_memory *memory,
                      const struct hak_stats_block *block, const struct heap_request *request)
{
    struct collector collector = {.heap = heap, .request = request, .memory = memory};
    enum reader_result result =
        reader_walk(memory, block, READER_READS_MOST, collect, &collector, &heap->summary);
    if (result != READER_DONE)
        command_error("%s: %s", path, reader_failure(result));
    else
        read_types(heap, memory);
    memcpy(heap->version, block->version, sizeof heap->version);
    return result == READER_DONE;
}

static bool read_snapshot(struct heap *heap, const char *path, const struct snapshot_opened *opened,
                          const struct heap_request *request)
{
    if (!snapshot_add_mappings(opened, SNAPSHOT_OBJECT, heap->profile)) {
        command_error("%s: has too many loaded libraries", path);
        return false;
    }
    heap->stopped = (double)opened->file.header.stopped_ns / 1e9;
    snapshot_name(opened, heap->name, sizeof heap->name);
    return walk_file(heap, path, &opened->memory, &opened->block, request);
}

struct heap *heap_read_snapshot(const char *path, const struct heap_request *request)
{
    struct snapshot_opened opened;
    if (!snapshot_load(path, &opened))
        return NULL;
    struct heap *heap = new_heap();
    bool read = heap != NULL && read_snapshot(heap, path, &opened, request);
    snapshot_unload(&opened);
    if (read)
        return heap;
    heap_free(heap);
    return NULL;
}

struct heap *heap_read_core(const char *path, const struct heap_request *request)
{
    struct core core;
    if (!core_load(&core, path))
        return NULL;
    struct heap *heap = new_heap();
    if (heap != NULL)
        core_name(&core, heap->name, sizeof heap->name);
    bool read = heap != NULL && core_add_objects(&core, heap->profile) &&
                walk_file(heap, path, &core.memory, &core.block, request);
    core_unload(&core);
    if (read)
        return heap;
    heap_free(heap);
    return NULL;
}

void heap_free(struct heap *heap)
{
    if (heap != NULL)
        profile_free(heap->profile);
}
