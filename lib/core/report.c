/* SPDX-License-Identifier: MIT */
#include "core/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/annotate.h"
#include "base/check.h"
#include "os/crash.h"
#include "os/lock.h"
#include "os/os.h"

enum { STANDARD_ERROR = 2, PROGRAM_NAME_MAX = 64 };

void hak__text_begin(struct hak_text *text, int fd)
{
    text->fd = fd;
    text->error = 0;
    text->used = 0;
}

static void flush(struct hak_text *text)
{
    if (text->fd < 0)
        return;
    int error = hak__os_write(text->fd, text->bytes, text->used);
    if (text->error == 0)
        text->error = error;
    text->used = 0;
}

void hak__text_bytes(struct hak_text *text, const char *bytes, size_t size)
{
    while (size > 0) {
        if (text->used == sizeof text->bytes)
            flush(text);
        size_t part = sizeof text->bytes - text->used;
        if (part == 0)
            return;
        if (part > size)
            part = size;
        memcpy(text->bytes + text->used, bytes, part);
        text->used += part;
        bytes += part;
        size -= part;
    }
}

void hak__text_string(struct hak_text *text, const char *string)
{
    hak__text_bytes(text, string, strlen(string));
}

void hak__text_printable(struct hak_text *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        hak__text_bytes(text, byte < ' ' || byte == 0x7f ? "?" : bytes + i, 1);
    }
}

static void number(struct hak_text *text, uint64_t value, unsigned base)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    hak__text_bytes(text, digits + at, sizeof digits - at);
}

void hak__text_unsigned(struct hak_text *text, uint64_t value)
{
    number(text, value, 10);
}

void hak__text_signed(struct hak_text *text, int64_t value)
{
    if (value < 0)
        hak__text_string(text, "-");
    number(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

void hak__text_pointer(struct hak_text *text, const void *pointer)
{
    hak__text_string(text, "0x");
    number(text, (uintptr_t)pointer, 16);
}

/* The name is the kernel's copy of what the caller of exec gave: whatever that was. */
void hak__text_message(struct hak_text *text)
{
    const char *name = hak__os_program_name();
    hak__text_begin(text, STANDARD_ERROR);
    hak__text_string(text, "hakmem[");
    size_t length = strlen(name);
    hak__text_printable(text, name, length < PROGRAM_NAME_MAX ? length : PROGRAM_NAME_MAX);
    hak__text_string(text, ":");
    hak__text_signed(text, hak__os_process());
    hak__text_string(text, "]: ");
}

int hak__text_end(struct hak_text *text)
{
    flush(text);
    return text->error;
}

_Atomic(hak__error_handler_fn *) hak__error_handler;

/*
 * The buffer has the whole message unless that was too long for it.
 *
 * The program's handlers, of errors and of SIGABRT, may meet the same damage: what a thread reports
 * while it handles a report of its own ends the process without them. That holds for a thread that
 * has left its handler by longjmp as well; nobody can tell.
 */
HAK_NORETURN void hak__text_abort(struct hak_text *text)
{
    static HAK_TLS bool reporting;
    size_t length = text->used < sizeof text->bytes ? text->used : sizeof text->bytes - 1;
    hak__error_handler_fn *handler = hak_load_acquire(&hak__error_handler);
    hak__text_end(text);
    text->bytes[length] = '\0';
    hak__unseen_leave();
    if (reporting)
        hak__os_end_by_abort();
    reporting = true;
    if (handler != NULL && hak_cas_acquire(&hak__error_handler, &handler, NULL))
        handler(text->bytes);
    abort();
}

HAK_NORETURN void hak__assert_failed(const char *file, int line, const char *expression)
{
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "invariant broken: ");
    hak__text_string(&text, expression);
    hak__text_string(&text, " (");
    hak__text_string(&text, file);
    hak__text_string(&text, ":");
    hak__text_signed(&text, line);
    hak__text_string(&text, ")\n");
    hak__text_abort(&text);
}

HAK_NORETURN void hak__lock_self_deadlock(void)
{
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text,
                     "malloc or free was called by a signal handler, or by a replacement of "
                     "a system call, inside malloc or free of the same thread, and would wait for "
                     "itself\n");
    hak__text_abort(&text);
}
