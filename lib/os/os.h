/* SPDX-License-Identifier: MIT */
/*
 * The contract with the operating system: all system calls of the library.
 *
 * A port implements these. None allocates, all keep errno. None goes through a libc
 * function that a program may interpose and that could allocate but those marked
 * "told", which take memory away that the program may have had: there interposers
 * learn of it (os/call.h), and the caller holds no lock that one may wait for. Sizes
 * and addresses are multiples of the page size unless said otherwise.
 */
#ifndef HAK_OS_OS_H
#define HAK_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* The page size in bytes. */
size_t hak__os_page_size(void);

/* Maps zeroed, readable and writable memory; NULL on failure. */
void *hak__os_map(size_t size);
/*
 * The same between two inaccessible pages, for what the library knows: no overflow that runs through a
 * neighbouring mapping reaches it. Given back by hak__os_unmap_record alone.
 */
void *hak__os_map_record(size_t size);
void hak__os_unmap_record(void *record, size_t size);
/* As hak__os_map, starting at a multiple of a power of two that is at least a page. */
void *hak__os_map_aligned(size_t size, size_t alignment);
/* Sets address space aside without memory behind it; NULL on failure. */
void *hak__os_reserve(size_t size, size_t alignment);
/* Makes a part of a reservation readable and writable; it then reads as zero. */
bool hak__os_commit(void *address, size_t size);
/* Makes pages that may only be read writable, or so again; they are the program's, not ours. */
bool hak__os_protect(void *address, size_t size, bool writable);
/* Makes a range inaccessible, with what is in it, until hak__os_commit. Of the hardened variant. */
bool hak__os_forbid(void *address, size_t size);
/* Gives address space back; false leaves it mapped. Told. */
bool hak__os_unmap(void *address, size_t size);
/* The same for address space in which no program has had a block; not told. */
bool hak__os_unmap_unused(void *address, size_t size);
/* Gives the memory behind a range back, which afterwards reads as zero; false leaves it as it was. Told. */
bool hak__os_purge(void *address, size_t size);
/* The same, of which nothing is known afterwards, of memory that may be inaccessible. Told. */
void hak__os_purge_unseen(void *address, size_t size);
/*
 * Makes a range a reservation again, as if it had never been used: without memory, without commit
 * charge, without what the program has asked of its pages by madvise, mprotect or mlock. Told.
 */
bool hak__os_strip(void *address, size_t size);
/*
 * Makes pages that are readable and writable inaccessible, and gives the memory behind them back, without a
 * mapping of their own: by marks in the system's page tables, which a child of fork has as well (Linux
 * 6.13). False where the system cannot, or the pages are locked: then they are as they were. Told.
 */
bool hak__os_guard(void *address, size_t size);
/* Makes such pages readable and writable again; they then read as zero. */
bool hak__os_unguard(void *address, size_t size);
/* Whether hak__os_guard may succeed. */
bool hak__os_may_guard(void);
/*
 * Puts zeroed memory behind a range that is about to be written, in one call instead of a fault a
 * page; false when it may not be there. A system that does not know or allow the call is not asked
 * again; after a failure for lack of memory, or for this range, it is asked less often until a call
 * succeeds.
 */
bool hak__os_populate(void *address, size_t size);
/* Whether eight bytes can be read, and are not all zero. In a sandbox the answer is no. */
bool hak__os_is_written(const void *address);
/* Bytes, those of files too, that were resident at most so far; SIZE_MAX where that is not known. */
size_t hak__os_peak(void);
/* Whether the byte at an address can be read. */
bool hak__os_can_read(const void *address);
/* From now on only system calls that a strict sandbox allows: no populate, no wishes, no limits. */
void hak__os_sandboxed(void);
bool hak__os_is_sandboxed(void);
/* Whether a range shall lie in transparent huge pages where it can; no more than a wish. */
void hak__os_huge_pages(void *address, size_t size, bool wanted);
enum hak_resized { HAK_RESIZED, HAK_RESIZE_NO_ROOM, HAK_RESIZE_REFUSED };
/* Grows or shrinks a mapping where it is; on failure it stays as it was. Told. */
enum hak_resized hak__os_resize(void *address, size_t old_size, size_t new_size);
/*
 * Moves a mapping over the reservation at target, resizing it. False leaves the mapping as it was,
 * but the reservation may be gone and its place another thread's. Told.
 */
bool hak__os_move(void *address, size_t old_size, size_t new_size, void *target);

/* Locks a range into memory, at once or as its pages are touched; false when it may not. */
bool hak__os_lock(void *address, size_t size, bool on_fault);
/* Bytes that the process may lock, SIZE_MAX for any number. */
size_t hak__os_lock_limit(void);
/* Bytes of address space that the process may have, SIZE_MAX for many; as known before a sandbox. */
size_t hak__os_space_limit(void);
/* The end of the brk heap, which belongs to libc. */
uintptr_t hak__os_brk(void);
/* Unpredictable bits. */
uint64_t hak__os_random(void);
/* The same in a process that others are copies of; false when the system has none for it alone. */
bool hak__os_random_anew(uint64_t *bits);
/* How many threads the process has; 0 when that is not known. */
unsigned hak__os_thread_count(void);
/* Milliseconds of a clock that does not jump; coarse. */
int64_t hak__os_now_ms(void);
/* True when the program runs with more rights than its user (AT_SECURE). */
bool hak__os_is_secure(void);
/* The value of an environment variable, or NULL; does not call getenv. */
const char *hak__os_environment(const char *name);
/* The number of the process. Not cached: also right in the child of vfork. */
int hak__os_process(void);
/* The number of the calling thread, as gettid(2) says. */
int hak__os_thread(void);
/* The last part of the path by which the program was started; empty when that is not known. */
const char *hak__os_program_name(void);
/* Opens a file to write at its end, a new one if there is none; or an errno value, negated. */
int hak__os_append(const char *path);
/* The same for a new file; one that has the name goes away. */
int hak__os_create(const char *path);
/* The same for what is there and is no file, like a device or a FIFO: never waits. -ENOENT for others. */
int hak__os_open_special(const char *path);
/* The file from takes the name of to; 0, or an errno value. */
int hak__os_rename(const char *from, const char *to);
void hak__os_unlink(const char *path);
bool hak__os_is_open(int fd);
void hak__os_close(int fd);
/* Where the dynamic linker begins, or 0. */
uintptr_t hak__os_linker(void);
/* The path by which the program was started, or NULL; of a script its own, not its interpreter's. */
const char *hak__os_program_path(void);
/*
 * The path of the file that the kernel runs, of a script its interpreter. Unlike the path above, the
 * caller of exec cannot choose it. False where /proc is not mounted, or the path does not fit.
 */
bool hak__os_program_file(char *path, size_t size);
/*
 * Reads up to size bytes of a regular file; how many, 0 when it cannot be. With trusted the
 * file must belong to root and be writable by nobody else.
 */
size_t hak__os_read_file(const char *path, char *bytes, size_t size, bool trusted);
/*
 * Leaves a mark in this process, which exec removes, that it has met a file as the file is now. True
 * if its parent has this mark and both are of one session; false when that cannot be known.
 * For one thread at a time.
 */
bool hak__os_mark_file(const char *path);
/* Writes all bytes; 0, or an errno value. */
int hak__os_write(int fd, const char *bytes, size_t size);
/* The same file under a number that programs seldom get, closed by exec; -1 when it cannot be. */
int hak__os_duplicate(int fd);
/*
 * Sleeps while *word == value, wakes spuriously at times; after so many microseconds, or with 0 never
 * by time.
 */
void hak__os_wait(void *word, uint32_t value, unsigned microseconds);
/* Wakes one sleeper on the word. */
void hak__os_wake(void *word);
/*
 * A memory barrier in each thread of the process that runs, and in every other one before it runs
 * again. What such a thread has stored before it is seen by the caller behind the call; what the
 * caller has stored before the call is seen by such a thread behind it. False where the system has
 * none: then there was no barrier. To be prepared once in each process before.
 */
bool hak__os_barrier(void);
bool hak__os_barrier_prepare(void);
/* Names the calling thread for ps(1) and debuggers; at most 15 characters. */
void hak__os_name_thread(const char *name);
/* The processor that the calling thread is on, or was a moment ago; 0 where that is not known. */
unsigned hak__os_cpu(void);
/* Lets other threads run. */
void hak__os_yield(void);
/* Sleeps for less than a second. */
void hak__os_sleep_us(unsigned microseconds);

#endif
