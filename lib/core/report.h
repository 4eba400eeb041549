/* SPDX-License-Identifier: MIT */
/*
 * Text to a file descriptor without malloc or stdio: a buffer on the stack
 * that is written when it is full and at the end.
 */
#ifndef HAK_CORE_REPORT_H
#define HAK_CORE_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct hak_text {
    int fd;      /* -1: nothing is written, what does not fit is dropped */
    int error;   /* the first errno value that a write met, or 0 */
    size_t used; /* bytes in the buffer */
    char bytes[512];
};

void hak__text_begin(struct hak_text *text, int fd);
/*
 * Begins a message to standard error with the program and the process, "hakmem[PROGRAM:PID]: ": the
 * library speaks from inside of any of them. Needs nothing that starts with the library.
 */
void hak__text_message(struct hak_text *text);
void hak__text_string(struct hak_text *text, const char *string);
void hak__text_bytes(struct hak_text *text, const char *bytes, size_t size);
/* Text that others chose: '?' stands for each byte that a terminal might obey. */
void hak__text_printable(struct hak_text *text, const char *bytes, size_t size);
void hak__text_signed(struct hak_text *text, int64_t value);
void hak__text_unsigned(struct hak_text *text, uint64_t value);
void hak__text_pointer(struct hak_text *text, const void *pointer);
/* Writes what is left; returns text->error. */
int hak__text_end(struct hak_text *text);

/* What hak_error_handler_set has set, or NULL; called once in a process. */
typedef void hak__error_handler_fn(const char *message);
extern _Atomic(hak__error_handler_fn *) hak__error_handler;

/* Ends a report, which the handler is told of, and the process. */
HAK_NORETURN void hak__text_abort(struct hak_text *text);

#endif
