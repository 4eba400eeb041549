/* SPDX-License-Identifier: MIT */
/* The rows of misuse.h, the kinds of blocks and the calls. */
#define _GNU_SOURCE
#include "misuse.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

const struct kind kinds[] = {
    {"malloc-16", BY_MALLOC, 16, 0, 16, 64 * KIB, false},
    {"malloc-48", BY_MALLOC, 48, 0, 48, 64 * KIB, false},
    {"malloc-100", BY_MALLOC, 100, 0, 112, 64 * KIB, true},
    {"malloc-1024", BY_MALLOC, 1024, 0, 1024, 64 * KIB, false},
    {"malloc-4096", BY_MALLOC, 4096, 0, 4096, 64 * KIB, false},
    {"malloc-5000", BY_MALLOC, 5000, 0, 5376, 64 * KIB, true},
    {"malloc-14000", BY_MALLOC, 14000, 0, 14080, 128 * KIB, false},
    {"malloc-20000", BY_MALLOC, 20000, 0, 20736, 256 * KIB, false},
    {"malloc-32768", BY_MALLOC, 32768, 0, 32768, 256 * KIB, false},
    {"malloc-65536", BY_MALLOC, 65536, 0, 65536, 512 * KIB, false},
    {"malloc-70000", BY_MALLOC, 70000, 0, 128 * KIB, 0, false},
    {"malloc-300000", BY_MALLOC, 300000, 0, 320 * KIB, 0, true},
    {"malloc-3M", BY_MALLOC, 3 * MIB, 0, 3 * MIB, 0, false},
    {"malloc-80M", BY_MALLOC, 80 * MIB, 0, 80 * MIB, 0, true},
    {"calloc-100", BY_CALLOC, 100, 0, 112, 64 * KIB, false},
    {"calloc-300000", BY_CALLOC, 300000, 0, 320 * KIB, 0, false},
    {"calloc-80M", BY_CALLOC, 80 * MIB, 0, 80 * MIB, 0, false},
    {"aligned-64", BY_ALIGNED_ALLOC, 192, 64, 192, 64 * KIB, false},
    {"aligned-4K", BY_ALIGNED_ALLOC, 4096, 4096, 4096, 64 * KIB, false},
    {"aligned-64K", BY_ALIGNED_ALLOC, 65536, 65536, 65536, 512 * KIB, false},
    {"aligned-2M", BY_ALIGNED_ALLOC, 2 * MIB, 2 * MIB, 2 * MIB, 0, false},
    {"aligned-64M", BY_ALIGNED_ALLOC, 64 * MIB, 64 * MIB, 64 * MIB, 0, false},
    {"realloc-5000", BY_REALLOC, 5000, 0, 5376, 64 * KIB, false},
    {"realloc-300000", BY_REALLOC, 300000, 0, 320 * KIB, 0, false},
    {"first-16", BY_MALLOC, 16, 0, 16, 64 * KIB, false},
    {"first-100", BY_MALLOC, 100, 0, 112, 64 * KIB, true},
    {"first-1024", BY_MALLOC, 1024, 0, 1024, 64 * KIB, false},
    {"first-calloc", BY_CALLOC, 100, 0, 112, 64 * KIB, false},
    {"first-realloc", BY_REALLOC, 1500, 0, 1536, 64 * KIB, false},
    {"realloc-8M", BY_REALLOC, 8 * MIB, 0, 8 * MIB, 0, false},
};
const size_t kind_count = sizeof kinds / sizeof *kinds;

unsigned family(const struct kind *kind)
{
    if (kind->slab != 0)
        return strncmp(kind->name, "first", 5) == 0 ? FIRST : SMALL;
    /* above 32 MiB, or from 3 MiB on if it has grown */
    return kind->usable > 32 * MIB || (kind->how == BY_REALLOC && kind->usable >= 3 * MIB) ? HUGE : SPAN;
}

void *get(const struct kind *kind)
{
    void *block = NULL;
    switch (kind->how) {
    case BY_MALLOC:
        block = malloc(kind->request);
        break;
    case BY_CALLOC:
        block = calloc(kind->request / 4, 4);
        break;
    case BY_ALIGNED_ALLOC:
        block = aligned_alloc(kind->alignment, kind->request);
        break;
    case BY_REALLOC:
        block = realloc(opaque(malloc(10)), kind->request);
        break;
    }
    REQUIRE(block != NULL);
    return opaque(block);
}

size_t usable(const struct kind *kind, void *block)
{
    if (kind->slab != 0)
        return kind->usable;
    size_t size = malloc_usable_size(block);
    REQUIRE(size >= kind->request && size <= kind->usable);
    return size;
}

void in_thread(void *(*work)(void *), void *argument)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, work, argument) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
}

void *function(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    REQUIRE(found != NULL);
    return found;
}

enum build build(void)
{
    Dl_info info;
    REQUIRE(dladdr(function("malloc"), &info) != 0);
    return strstr(info.dli_fname, "-debug") != NULL ? DEBUG : RELEASE;
}

void not_there(const char *what)
{
    fprintf(stderr, "not found: %s\n", what);
    exit(1);
}

static void say(const char *text)
{
    REQUIRE(write(STDOUT_FILENO, text, strlen(text)) == (ssize_t)strlen(text));
}

void announce(const char *call, const void *pointer, const char *reason, size_t size)
{
    char text[300], bytes[40] = "";
    if (size != 0)
        snprintf(bytes, sizeof bytes, " of %zu bytes", size);
    snprintf(text, sizeof text, "hakmem[%s:%d]: %s(%p): %s%s\n", program_invocation_short_name,
             (int)getpid(), call, pointer, reason, bytes);
    say(text);
}

void announce_silence(void)
{
    say("silent\n");
}

static const struct row *row;

static const char *says(void)
{
    const char *text = row->says[build()];
    REQUIRE(text != NULL);
    return text;
}

void announce_by_row(const char *call, const void *pointer, size_t size)
{
    char reason[200];
    if (strcmp(says(), SILENT) == 0 || strcmp(says(), HARM) == 0) {
        announce_silence();
    } else if (strcmp(says(), CRASH) == 0) {
        say("crash\n");
    } else if (strcmp(says(), BROKEN_LIST) == 0) {
        snprintf(reason, sizeof reason, BROKEN_LIST, size);
        announce(call, pointer, reason, 0);
    } else {
        announce(call, pointer, says(), size);
    }
}

bool does_harm(void)
{
    return strcmp(says(), HARM) == 0;
}

static const char *const call_names[] = {
    "free", "cfree", "hak_free", "realloc", "hak_realloc", "reallocarray", "hak_reallocarray",
    "malloc_usable_size", "hak_usable_size", "free_sized", "hak_free_sized", "free_aligned_sized",
    "hak_free_aligned_sized", "hak_free_batch", "hak_resize_in_place"};
enum { CALLS = sizeof call_names / sizeof *call_names };

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void call(const char *name, const struct kind *kind, void *pointer)
{
    void *f = function(name);
    size_t size = kind != NULL ? kind->request : 100;
    if (ends_with(name, "free_batch")) {
        void *blocks[] = {opaque(malloc(100)), pointer, NULL, opaque(malloc(100))};
        ((void (*)(void *const *, size_t))f)(blocks, sizeof blocks / sizeof *blocks);
    } else if (ends_with(name, "aligned_sized")) {
        ((void (*)(void *, size_t, size_t))f)(pointer, 16, size);
    } else if (ends_with(name, "reallocarray")) {
        ((void *(*)(void *, size_t, size_t))f)(pointer, 10, 10);
    } else if (ends_with(name, "resize_in_place")) {
        ((size_t(*)(void *, size_t, size_t))f)(pointer, 1, 100);
    } else if (ends_with(name, "free_sized")) {
        ((void (*)(void *, size_t))f)(pointer, size);
    } else if (ends_with(name, "realloc")) {
        ((void *(*)(void *, size_t))f)(pointer, 100);
    } else if (ends_with(name, "usable_size")) {
        ((size_t(*)(const void *))f)(pointer);
    } else {
        ((void (*)(void *))f)(pointer);
    }
}

static const struct kind *kind;
static const char *call_name;

static void *commit(void *mistake)
{
    const struct mistake *m = mistake;
    announce(call_name, m->pointer, m->reason, m->size);
    call(call_name, kind, m->pointer);
    return NULL;
}

static void commit_in_child(struct mistake *mistake)
{
    int status = 0;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        commit(mistake);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status))
        raise(WTERMSIG(status));
}

static void *run_row(void *seed)
{
    row->run(kind, row->argument, *(const size_t *)seed);
    return NULL;
}

static void run(void)
{
    size_t seed = (size_t)atoi(call_name);
    if (row->run != NULL && row->who == THIS_THREAD) {
        run_row(&seed);
        return;
    }
    if (row->run != NULL) {
        in_thread(run_row, &seed);
        return;
    }
    struct mistake mistake = row->make(kind, row->argument);
    if (row->who == THIS_THREAD)
        commit(&mistake);
    else if (row->who == ANOTHER_THREAD)
        in_thread(commit, &mistake);
    else
        commit_in_child(&mistake);
}

static bool fits(const struct row *r, const struct kind *k)
{
    return (r->families & family(k)) != 0 && k->usable >= r->least &&
           (r->most == 0 || k->usable <= r->most) && (!r->needs_tail || k->slab % k->usable != 0);
}

static void list_row(const struct row *r, const struct kind *k)
{
    const char *name = k != NULL ? k->name : "-";
    bool whole = k == NULL || k->plain;
    if (r->seeds > 0)
        for (unsigned seed = 0; seed < (whole ? r->seeds : 1); seed++)
            printf("%s %s %u\n", r->name, name, seed);
    else
        for (int i = 0; i < (r->every_call && whole ? CALLS : 1); i++)
            printf("%s %s %s\n", r->name, name, call_names[i]);
}

static void list(const struct table *table)
{
    for (const struct row *r = table->rows; r < table->rows + table->count; r++) {
        if (r->families == NO_KIND)
            list_row(r, NULL);
        else
            for (const struct kind *k = kinds; k < kinds + kind_count; k++)
                if (fits(r, k))
                    list_row(r, k);
    }
}

/* A double free of which something is wrong, for the script to see: `broken WHAT`. */
static int broken(const char *what)
{
    void *block = opaque(malloc(100)), *other = opaque(malloc(100));
    free(block);
    if (strcmp(what, "silence") == 0)
        announce_silence();
    else if (strcmp(what, "crash") == 0)
        say("crash\n");
    else
        announce(strcmp(what, "call") == 0 ? "cfree" : "free",
                 strcmp(what, "pointer") == 0 ? other : block,
                 strcmp(what, "reason") == 0 ? NEVER : TWICE, strcmp(what, "size") == 0 ? 128 : 112);
    if (strcmp(what, "nothing-said") == 0)
        return 0;
    if (strcmp(what, "two-lines") == 0)
        fputs("one more line\n", stderr);
    if (strcmp(what, "status") == 0)
        signal(SIGABRT, _exit);
    free(block);
    return 0;
}

static const struct table *const tables[] = {&pointer_table, &damage_table, &access_table,
                                             &operator_table, &request_table};
enum { TABLES = sizeof tables / sizeof *tables };

static const struct row *find_row(const char *name)
{
    for (int i = 0; i < TABLES; i++)
        for (const struct row *r = tables[i]->rows; r < tables[i]->rows + tables[i]->count; r++)
            if (strcmp(r->name, name) == 0)
                return r;
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "broken") == 0)
        return broken(argv[2]);
    if (argc != 4) {
        for (int i = 0; i < TABLES; i++)
            list(tables[i]);
        return 0;
    }
    row = find_row(argv[1]);
    REQUIRE(row != NULL);
    for (const struct kind *k = kinds; k < kinds + kind_count; k++)
        if (strcmp(k->name, argv[2]) == 0)
            kind = k;
    call_name = argv[3];
    free(opaque(malloc(1)));
    if (kind == NULL || family(kind) != FIRST)
        malloc_trim(0);
    run();
    return 0;
}
