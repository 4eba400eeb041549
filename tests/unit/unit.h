/* SPDX-License-Identifier: MIT */
/* The main program of the unit tests. */
#ifndef HAK_TESTS_UNIT_H
#define HAK_TESTS_UNIT_H

#include <check.h>
#include <hakmem/hakmem.h>
#include <stdlib.h>

#include "config.h"
#include "front/front.h"

/* A sanitizer has memory of its own, so what is resident tells nothing. */
#if defined(__has_feature)
#define UNIT_FEATURE(name) __has_feature(name)
#else
#define UNIT_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    UNIT_FEATURE(address_sanitizer) || UNIT_FEATURE(thread_sanitizer)
#define UNIT_SANITIZED 1
#else
#define UNIT_SANITIZED 0
#endif

/* The blocks of a test shall come from slabs: what comes first ends when its heap is flushed (starter.h). */
static inline void unit_end_starter(void)
{
    hak_free(hak_malloc(1));
    hak_thread_flush();
}

/* Which block comes next shall not be up to chance: tests/misuse/hardened.c looks at that. */
static inline void unit_without_chance(void)
{
#if HAK_HARDENED
    hak__init();
    hak__harden.rests = hak__harden.large_rests = 0;
    hak__harden.random = 0;
#endif
}

/* Runs the tests that add puts into a case; the exit status. */
static inline int unit_run(const char *name, void (*add)(TCase *tests))
{
    Suite *suite = suite_create(name);
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 120);
    unit_without_chance();
    add(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
