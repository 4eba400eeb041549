/* SPDX-License-Identifier: MIT */
/* Blocks whose only pointers are in memory that a process maps: anonymous, shared, of libraries. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cases.h"

enum { PAGE = 4096 };

static void *volatile kept;

static void *map(size_t size, int flags, int file)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static void keep_in_mapping(void)
{
    void **memory = map(4 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memory[1000] = block(50);
    memory[0] = NULL;
}

static void lose_in_mapping(void)
{
    void **memory = map(4 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memory[1000] = lost(DIRECT, block(50));
    munmap(memory, 4 * PAGE);
    memory = map(4 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memory[1000] = lost(DIRECT, block(50));
    madvise(memory, 4 * PAGE, MADV_DONTNEED);
}

static void keep_in_read_only(void)
{
    void **memory = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memory[100] = block(50);
    mprotect(memory, PAGE, PROT_READ);
}

static void keep_in_shared(void)
{
    void **memory = map(PAGE, MAP_SHARED | MAP_ANONYMOUS, -1);
    memory[100] = block(50);
}

static void keep_in_file(void)
{
    char name[] = "/tmp/leaks-XXXXXX";
    int file = mkstemp(name);
    if (file < 0 || unlink(name) != 0 || ftruncate(file, (off_t)2 * PAGE) != 0)
        abort();
    void **memory = map(PAGE, MAP_SHARED, file);
    memory[100] = block(50);
    memory = map(PAGE, MAP_PRIVATE, file);
    memory[200] = block(60);
    close(file);
}

/* 64 GiB of addresses of which two pages are in use */
static void keep_in_sparse(void)
{
    size_t size = (size_t)64 << 30;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        keep_in_mapping();
        return;
    }
    *(void **)(memory + size / 2) = block(50);
    *(void **)(memory + size - sizeof(void *)) = block(50);
}

static void *library(void)
{
    void *handle = dlopen(getenv("LEAKS_PLUGIN"), RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(99);
    }
    return handle;
}

static void call_library(void *handle, const char *name, void *argument)
{
    void (*function)(void *);
    void *address = dlsym(handle, name);
    memcpy(&function, &address, sizeof function);
    function(argument);
}

static void keep_in_library(void)
{
    call_library(library(), "plugin_keep", block(80));
}

/* its thread-local variable was that of the thread of this case, which ends */
static void lose_in_thread_of_library(void)
{
    call_library(library(), "plugin_keep_in_thread", lost(DIRECT, block(80)));
}

static void hold_in_thread_of_library(void)
{
    call_library(library(), "plugin_keep_in_thread", block(80));
    wait_here();
}

static void lose_in_library(void)
{
    void *handle = library();
    call_library(handle, "plugin_keep", lost(DIRECT, block(80)));
    dlclose(handle);
}

static void lose_in_child(void)
{
    void **first = lost(DIRECT, block(600));
    *first = lost(INDIRECT, block(700));
}

static void keep_in_static(void)
{
    kept = block(800);
}

/* the child is looked at; the parent holds what the child has lost */
static void hold_while_child(void)
{
    void *volatile block_of_parent = block(900);
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        on_thread_that_ends(keep_in_static);
        on_thread_that_ends(lose_in_child);
        wait_here();
    }
    (void)block_of_parent;
    stay();
}

const struct leak_case other_root_cases[] = {
    {"mapped", keep_in_mapping, NULL, "in mapped memory"},
    {"unmapped", lose_in_mapping, NULL, "in memory that was unmapped, or given back: lost"},
    {"read-only", keep_in_read_only, NULL, "in memory that was made read-only"},
    {"shared", keep_in_shared, NULL, "in shared memory"},
    {"file", keep_in_file, NULL, "in mapped files"},
    {"sparse", keep_in_sparse, NULL, "in 64 GiB of mapped memory, almost all of it untouched"},
    {"library", NULL, hold_in_thread_of_library, "in a thread-local variable of a loaded library"},
    {"library-data", keep_in_library, NULL, "in data of a loaded library"},
    {"library-thread", lose_in_thread_of_library, NULL, "the same of an ended thread: lost"},
    {"library-closed", lose_in_library, NULL, "in data of a library that was unloaded: lost"},
    {"child", NULL, hold_while_child, "blocks are lost in a child of fork"},
    {NULL, NULL, NULL, NULL},
};
