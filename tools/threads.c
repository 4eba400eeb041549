/* SPDX-License-Identifier: MIT */
#include "threads.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/clock.h"

/* ---- heaps ------------------------------------------------------------- */

static void add(uint64_t *sum, uint64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = UINT64_MAX;
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void threads_begin(struct threads *threads, size_t room)
{
    *threads = (struct threads){.room = room};
}

void threads_add_heap(const struct hak_heap_snapshot *heap, void *context)
{
    struct threads *threads = context;
    if (heap->thread == 0 || threads->count == threads->room) {
        threads->left_out += heap->thread != 0;
        add(&threads->rest.cached_bytes, heap->cached_bytes);
        return;
    }
    threads->list[threads->count++] =
        (struct thread){.own_tid = heap->thread, .has_heap = true, .cached_bytes = heap->cached_bytes,
                        .requested_bytes = above(heap->requested_bytes, heap->requested_before)};
}

static int by_own_tid(const void *a, const void *b)
{
    const struct thread *one = a, *other = b;
    return (one->own_tid > other->own_tid) - (one->own_tid < other->own_tid);
}

static int by_tid(const void *a, const void *b)
{
    const struct thread *one = a, *other = b;
    return (one->tid > other->tid) - (one->tid < other->tid);
}

/* Sorted; a thread has one heap, unless the process deceives or changed meanwhile. */
static void join_heaps(struct threads *threads)
{
    size_t kept = 0;
    qsort(threads->list, threads->count, sizeof *threads->list, by_own_tid);
    for (size_t i = 0; i < threads->count; i++) {
        struct thread *last = kept > 0 ? &threads->list[kept - 1] : NULL;
        if (last != NULL && last->own_tid == threads->list[i].own_tid) {
            add(&last->cached_bytes, threads->list[i].cached_bytes);
            add(&last->requested_bytes, threads->list[i].requested_bytes);
        } else {
            threads->list[kept++] = threads->list[i];
        }
    }
    threads->count = kept;
}

static struct thread *with_own_tid(struct threads *threads, size_t count, uint32_t own_tid)
{
    const struct thread wanted = {.own_tid = own_tid};
    return count == 0 ? NULL : bsearch(&wanted, threads->list, count, sizeof wanted, by_own_tid);
}

/* What heaps have whose threads are not there any more belongs to the rest, with all that is not of the list. */
static void settle(struct threads *threads, uint64_t requested)
{
    size_t kept = 0;
    for (size_t i = 0; i < threads->count; i++) {
        if (threads->list[i].tid == 0) {
            add(&threads->rest.cached_bytes, threads->list[i].cached_bytes);
            continue;
        }
        requested = above(requested, threads->list[i].requested_bytes);
        threads->list[kept++] = threads->list[i];
    }
    threads->count = kept;
    threads->rest.requested_bytes = requested;
    qsort(threads->list, kept, sizeof *threads->list, by_tid);
}

/* ---- names ------------------------------------------------------------- */

/* The program chooses each byte of it. */
static void set_name(struct thread *thread, const char *name)
{
    size_t length = strnlen(name, sizeof thread->name - 1);
    memcpy(thread->name, name, length);
    thread->name[length] = '\0';
    thread->name[strcspn(thread->name, "\n")] = '\0';
    for (char *byte = thread->name; *byte != '\0'; byte++)
        if (*byte < ' ' || *byte >= 0x7f)
            *byte = '?';
}

void threads_name(struct threads *threads, const struct thread_name *names, size_t count, uint64_t requested)
{
    join_heaps(threads);
    for (size_t i = 0; i < threads->count; i++)
        threads->list[i].tid = (pid_t)(threads->list[i].own_tid & INT32_MAX);
    size_t heaps = threads->count;
    for (size_t i = 0; i < count; i++) {
        struct thread *thread = with_own_tid(threads, heaps, names[i].own_tid);
        if (thread == NULL && threads->count < threads->room && names[i].own_tid != 0) {
            thread = &threads->list[threads->count++];
            *thread = (struct thread){.own_tid = names[i].own_tid, .tid = (pid_t)(names[i].own_tid & INT32_MAX)};
        }
        if (thread != NULL)
            set_name(thread, names[i].name);
    }
    settle(threads, requested);
}

static void read_name(pid_t pid, struct thread *thread)
{
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid, (int)thread->tid);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(name, 1, sizeof name - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    name[length] = '\0';
    set_name(thread, name);
}

/* Its number in the innermost PID namespace that it is in; *nested: whether that is not ours. */
static uint32_t read_own_tid(pid_t pid, pid_t tid, bool *nested)
{
    char path[64], line[512];
    uint32_t own = (uint32_t)tid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, (int)tid);
    FILE *file = fopen(path, "re");
    *nested = false;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *last = strncmp(line, "NSpid:", 6) == 0 ? strrchr(line, '\t') : NULL;
        if (last == NULL)
            continue;
        own = (uint32_t)strtoul(last, NULL, 10);
        *nested = strchr(line, '\t') != last;
        break;
    }
    if (file != NULL)
        fclose(file);
    return own;
}

static void add_thread(struct threads *threads, size_t heaps, pid_t pid, pid_t tid, bool nested)
{
    uint32_t own = nested ? read_own_tid(pid, tid, &nested) : (uint32_t)tid;
    struct thread *thread = with_own_tid(threads, heaps, own);
    if (thread == NULL && threads->count == threads->room) {
        threads->left_out++;
        return;
    }
    if (thread == NULL) {
        thread = &threads->list[threads->count++];
        *thread = (struct thread){.own_tid = own};
    }
    thread->tid = tid;
    read_name(pid, thread);
}

void threads_find(struct threads *threads, pid_t pid, uint64_t requested)
{
    char path[40];
    bool nested;
    join_heaps(threads);
    size_t heaps = threads->count;
    threads->when = clock_seconds();
    threads->named = true;
    read_own_tid(pid, pid, &nested);
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid > 0)
            add_thread(threads, heaps, pid, tid, nested);
    }
    if (folder != NULL)
        closedir(folder);
    settle(threads, requested);
}

/* ---- two looks --------------------------------------------------------- */

struct threads *threads_copy(const struct threads *threads)
{
    size_t size = threads != NULL ? THREADS_SIZE(threads->count) : 0;
    struct threads *copy = threads != NULL ? malloc(size) : NULL;
    if (copy == NULL)
        return NULL;
    memcpy(copy, threads, size);
    copy->room = threads->count;
    return copy;
}

const struct thread *threads_of(const struct threads *threads, pid_t tid)
{
    const struct thread wanted = {.tid = tid};
    return threads->count == 0 ? NULL : bsearch(&wanted, threads->list, threads->count, sizeof wanted, by_tid);
}

static void compare(struct thread *now, const struct thread *before, double seconds)
{
    now->has_rate = seconds > 0 && now->requested_bytes >= before->requested_bytes;
    now->rate = now->has_rate ? (double)(now->requested_bytes - before->requested_bytes) / seconds : 0;
}

/* A thread that was not there before, or that has another heap since, has requested all meanwhile. */
void threads_compare(struct threads *now, const struct threads *before)
{
    static const struct thread none = {0};
    double seconds = now->when - before->when;
    for (size_t i = 0; i < now->count; i++) {
        const struct thread *same = threads_of(before, now->list[i].tid);
        if (same != NULL && same->requested_bytes > now->list[i].requested_bytes)
            same = NULL;
        compare(&now->list[i], same != NULL ? same : &none, seconds);
    }
    compare(&now->rest, &before->rest, seconds);
}
