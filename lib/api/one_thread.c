/* SPDX-License-Identifier: MIT */
/* Only with the plain freelist: the program gets no second thread. */
#include <errno.h>
#include <pthread.h>

#include "base/compiler.h"
#include "core/report.h"

HAK_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                              void *(*function)(void *), void *argument)
{
    (void)thread, (void)attributes, (void)function, (void)argument;
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "built with the plain freelist: no second thread\n");
    hak__text_end(&text);
    return EAGAIN;
}
