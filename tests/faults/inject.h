/* SPDX-License-Identifier: MIT */
/*
 * Faults: lib/os compiled with this file in front asks before each call into the
 * system whether the call shall fail. The library's sources know nothing of it.
 * It can also be shown a system whose pages are larger than they are.
 *
 * A site is a call in the source, named by its function and the call. Calls and
 * failures are counted by site, in memory that a process and its forked children
 * share, so that a test that runs its cases in children sees them all.
 */
#ifndef HAK_TESTS_INJECT_H
#define HAK_TESTS_INJECT_H

#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "os/call.h"

struct fault_site {
    const char *function, *call; /* the call's text up to its first comma counts */
};

/* What fails: by chance, or one call of one site, and so many that follow. */
struct fault_plan {
    uint64_t seed;
    unsigned rate;     /* of 1024 calls; 0: none by chance */
    unsigned burst;    /* calls that fail too after one has failed */
    int site;          /* only this one, or -1 for all */
    unsigned long nth; /* the call of the site that fails, from 1; 0: none */
};

/* Begins a plan, with call counts of its own; NULL: nothing fails from now on. */
void fault_begin(const struct fault_plan *plan);

/* The sites that were compiled in. */
int fault_sites(void);
/* "function call" of a site. */
const char *fault_name(int site, char *text, size_t size);
/* Whether the system can fail there at all. */
bool fault_is_possible(int site);
unsigned long fault_calls(int site);
unsigned long fault_failures(int site);

/*
 * A failing mremap to a fixed place may have taken away what was there. Then another thread may
 * have mapped memory there at once, which here is a canary. How many are not there any more; all
 * are unmapped.
 */
int fault_lost_canaries(void);

/*
 * Pages of so many bytes, a power of two, before anything else: mappings begin at multiples of
 * it, other calls are refused at other addresses, and all of them reach to its next multiple.
 */
void fault_set_page_size(size_t size);
/* How many calls were refused because of that. */
unsigned long fault_off_page(void);

/* From now on memory is not given back by madvise, which says that it was, as emulators do. */
void fault_pretend_purge(void);

/* The error number that a system call shall meet, or 0. */
int fault_of_call(const struct fault_site *site, long number, ...);
/* The same for a function of the thread library. */
int fault_of_function(const struct fault_site *site);

/* What the system does with a call that does not fail, and what it says of itself. */
long fault_system(long number, long a, long b, long c, long d, long e, long f);
unsigned long fault_auxiliary(unsigned long type);

#define FAULT_SITE(text)                                                                           \
    ({                                                                                             \
        static const struct fault_site site_                                                       \
            __attribute__((section("fault_sites"), used, aligned(16))) = {__func__, text};         \
        &site_;                                                                                    \
    })

#undef hak__call
#define hak__call(...)                                                                             \
    ({                                                                                             \
        long error_ = fault_of_call(FAULT_SITE(#__VA_ARGS__), __VA_ARGS__);                        \
        error_ != 0 ? -error_ : FAULT_SYSTEM(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0);                    \
    })
#undef hak__told
#define hak__told hak__call
#define FAULT_SYSTEM(number, a, b, c, d, e, f, ...)                                                \
    fault_system(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define hak__auxiliary fault_auxiliary
#define FAULT_OR(text, call)                                                                       \
    ({                                                                                             \
        int error_ = fault_of_function(FAULT_SITE(text));                                                \
        error_ != 0 ? error_ : call;                                                               \
    })
#define pthread_key_create(...) FAULT_OR("pthread_key_create", pthread_key_create(__VA_ARGS__))
#define pthread_setspecific(...) FAULT_OR("pthread_setspecific", pthread_setspecific(__VA_ARGS__))
#define pthread_mutexattr_init(...)                                                                \
    FAULT_OR("pthread_mutexattr_init", pthread_mutexattr_init(__VA_ARGS__))
#define pthread_mutexattr_setrobust(...)                                                           \
    FAULT_OR("pthread_mutexattr_setrobust", pthread_mutexattr_setrobust(__VA_ARGS__))
#define pthread_mutex_init(...) FAULT_OR("pthread_mutex_init", pthread_mutex_init(__VA_ARGS__))
#define pthread_attr_init(...) FAULT_OR("pthread_attr_init", pthread_attr_init(__VA_ARGS__))
#define pthread_attr_setstacksize(...)                                                             \
    FAULT_OR("pthread_attr_setstacksize", pthread_attr_setstacksize(__VA_ARGS__))
#define pthread_create(...) FAULT_OR("pthread_create", pthread_create(__VA_ARGS__))
#define pthread_mutex_trylock(...)                                                                 \
    FAULT_OR("pthread_mutex_trylock", pthread_mutex_trylock(__VA_ARGS__))

#endif
