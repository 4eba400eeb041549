/* SPDX-License-Identifier: MIT */
/* The beginning of the library in a process. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/heap.h"
#include "cache/heap_life.h"
#include "cache/purger.h"
#include "core/conf.h"
#include "core/disabled.h"
#include "core/options.h"
#include "core/report.h"
#include "front/front.h"
#include "harden/harden.h"
#include "os/call.h"
#include "os/os.h"
#include "profile/leaks.h"
#include "profile/sampler.h"
#include "profile/tables.h"
#include "slab/shared_pool.h"
#include "slab/slab_freelist_atomic.h"


static HAK_WRITTEN_OFTEN struct hak_lock init_lock;
static HAK_READ_MOSTLY _Atomic bool initialised; /* release after everything below is set; acquire by all */
static bool settings_read;       /* under init_lock */
/* Why another allocator is to serve, an enum hak_disabled; changed once, under init_lock. */
static _Atomic uint8_t unwanted;
static uintptr_t brk_start;      /* where libc's heap began when we did */

/* A static program has no malloc but this one. */
static void report_no_other(void)
{
    struct hak_text report;
    hak__text_message(&report);
    hak__text_string(&report, "not disabled: this program has no other malloc\n");
    hak__text_end(&report);
}

/*
 * Sanitizers bring a malloc that has to see all blocks. A library that is under all programs cannot
 * ask for them to be built otherwise; that of the unit tests, which has no malloc, stays in use.
 */
extern void __asan_init(void) __attribute__((weak));
extern void __hwasan_init(void) __attribute__((weak));
extern void __lsan_init(void) __attribute__((weak));
extern void __msan_init(void) __attribute__((weak));
extern void __tsan_init(void) __attribute__((weak));
extern void *hak__own_malloc(size_t size) __attribute__((weak, visibility("hidden")));

/* The blocks of hak_malloc are this library's, which AddressSanitizer is told of (base/annotate.h). */
static bool tells_asan(void)
{
    return HAK_ANNOTATIONS && __asan_init != NULL;
}

/*
 * The program has a malloc of its own, or only a library of it is linked with this one: what hak_malloc
 * returns must work with the program's free all the same. By address this is a guess at no cost, which
 * hak__other_find verifies.
 */
static bool seems_invisible(void)
{
    void *visible = (void *)&malloc;
    hak_opaque(visible); /* or the compiler takes two names for two functions */
    return hak__own_malloc != NULL && visible != (void *)&hak__own_malloc && !tells_asan();
}

static bool has_sanitizer(void)
{
    return hak__own_malloc != NULL &&
           ((__asan_init != NULL && !tells_asan()) || __hwasan_init != NULL || __lsan_init != NULL ||
            __msan_init != NULL || __tsan_init != NULL);
}

static bool is_switched_off(void)
{
    const char *disable = hak__os_environment("HAKMEM_DISABLE");
    bool off = false;
    if (disable == NULL || disable[0] == '\0' || hak__options_switch(disable, &off))
        return off;
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "HAKMEM_DISABLE: invalid value '");
    hak__text_printable(&text, disable, strlen(disable));
    hak__text_string(&text, "' (allowed: 0 or 1); not disabled\n");
    hak__text_end(&text);
    return false;
}

/* Else only if there turns out to be another one. */
static bool is_always(unsigned how)
{
    return how != HAK_DISABLED_NOT && how != HAK_DISABLED_BY_MALLOC;
}

static void begin_profile(void)
{
    int64_t interval = hak__option(HAK_OPTION_PROFILE);
    if (interval == 0 && hak__option(HAK_OPTION_LEAKS))
        interval = HAK_LEAKS_INTERVAL;
    if (interval != 0 && !is_always(hak_load_relaxed(&unwanted)))
        hak_store_relaxed(&hak__profile.interval, (uint64_t)interval);
}

static void begin_guards(void)
{
    if (!is_always(hak_load_relaxed(&unwanted)))
        hak_store_relaxed(&hak__guard_interval, (uint64_t)hak__option(HAK_OPTION_GUARD));
}

/*
 * The configuration file first, so that the environment has the last word. The environment
 * is not there yet when ld.so allocates before libc has started.
 */
static void read_settings_locked(void)
{
    if (settings_read || environ == NULL)
        return;
    settings_read = true;
    bool secure = hak__os_is_secure();
    const char *file = secure ? NULL : hak__os_environment("HAKMEM_CONF_FILE");
    bool excluded = hak__conf_read(file != NULL ? file : HAK_CONF_FILE, secure);
    bool switched_off = !secure && is_switched_off();
    if ((excluded || switched_off) && !hak__libc_has_malloc())
        report_no_other();
    else if (excluded || switched_off)
        hak_store_relaxed(&unwanted, excluded ? HAK_DISABLED_BY_FILE : HAK_DISABLED_BY_ENVIRONMENT);
    else if (has_sanitizer())
        hak_store_relaxed(&unwanted, HAK_DISABLED_BY_SANITIZER);
    else if (seems_invisible() && hak__libc_has_malloc())
        hak_store_relaxed(&unwanted, HAK_DISABLED_BY_MALLOC);
    const char *options = secure ? NULL : hak__os_environment("HAKMEM_CONF");
    if (options != NULL && !is_always(hak_load_relaxed(&unwanted)))
        hak__options_parse(options);
    begin_profile();
    begin_guards();
    if (HAK_HARDENED)
        hak__harden_options();
}

/*
 * Finds the other allocator, if it is wanted. That may wait for the dynamic linker, whose lock a
 * thread may hold that waits for ours, so it is done without it; and it may allocate, so what is
 * allocated until it has been found comes from this library, which knows its own blocks.
 */
static void step_aside(void)
{
    static _Atomic bool begun; /* by the one thread that finds it */
    uint8_t how = hak_load_relaxed(&unwanted);
    if (hak_likely(how == HAK_DISABLED_NOT) || hak_swap_acq_rel(&begun, true))
        return;
    if (hak__other_find(is_always(how)))
        hak_store_release(&hak__disabled, how);
}

void hak__init(void)
{
    if (hak_likely(hak_load_acquire(&initialised)))
        return;
    /* What the settings take may be interposed by functions that allocate: the secrets are there. */
    if (hak__lock_is_mine(&init_lock))
        return;
    hak__lock_acquire(&init_lock);
    if (!hak_load_relaxed(&initialised)) {
        hak__heap_secret = hak__os_random();
        hak__slab_link_secret = hak__os_random();
        if (HAK_HARDENED)
            hak__harden_start();
        brk_start = hak__os_brk();
        read_settings_locked();
        hak_store_release(&initialised, true);
    }
    hak__lock_release(&init_lock);
    step_aside();
}

/* Allocations may have come before: then only the settings are still to be read. */
static __attribute__((constructor(101))) void start(void)
{
    hak__init();
    hak__call_libc_from_now_on();
    hak__fork_register();
    hak__lock_acquire(&init_lock);
    read_settings_locked();
    hak__lock_release(&init_lock);
    step_aside();
    if (hak__is_disabled()) {
        hak__heap_detach();
        return;
    }
    hak__heap_prepare();
    hak__purger_prepare();
    if (hak__option(HAK_OPTION_CRASH_REPORT))
        hak__crash_start();
}

bool hak__is_libc_block(const void *block)
{
    uintptr_t address = (uintptr_t)block;
    return address >= brk_start && address < hak__os_brk();
}
