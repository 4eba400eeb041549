/* SPDX-License-Identifier: MIT */
#ifndef HAK_TESTS_ATFORK_LIBRARY_H
#define HAK_TESTS_ATFORK_LIBRARY_H

#include <pthread.h>
#include <stddef.h>
#include <string.h>

/* What the library and its threads allocate with. */
extern void *(*library_malloc)(size_t size);
extern void (*library_free)(void *block);
/* Of the case mutex: held over a fork. */
extern pthread_mutex_t library_mutex;
extern const char *library_case;
/* How many handlers have run in this process. */
extern int library_handled;

/* Takes blocks of all sizes and frees them. */
void library_churn(void);
/* Of the case join: has a thread, which the next fork ends. */
void library_use_worker(void);

#endif
