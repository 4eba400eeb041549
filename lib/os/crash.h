/* SPDX-License-Identifier: MIT */
/* Being told when the process crashes. */
#ifndef HAK_OS_CRASH_H
#define HAK_OS_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "os/registers.h"

enum { HAK_CRASH_REGISTERS = 31 };

struct hak_crash {
    int signal, code; /* as in siginfo_t */
    const char *name; /* of the signal */
    bool has_address; /* the fault's; none where a process sent the signal */
    uintptr_t address;
    long process, thread;
    struct hak_registers at; /* where it happened; none is known on some machines */
    size_t registers; /* how many of the next two are filled */
    const char *register_name[HAK_CRASH_REGISTERS];
    uintptr_t register_value[HAK_CRASH_REGISTERS];
};

/*
 * From now on calls report, in a signal handler, on SIGSEGV, SIGBUS and SIGABRT, for one thread at
 * a time; then the handler that was there before runs, or the default action. Called once,
 * while there is one thread; may allocate. A fault within report ends the process at once.
 */
void hak__os_on_crash(void (*report)(const struct hak_crash *crash));

/* Ends the process by SIGABRT, whatever the program has made of that signal. */
HAK_NORETURN void hak__os_end_by_abort(void);

/* What is at an address of the program's code. */
struct hak_code {
    const char *file; /* until the next call */
    uintptr_t offset; /* the address as the file's own tables have it */
    char function[256]; /* empty if the file does not know; cut if it is longer */
    uintptr_t function_offset;
};

/* False where no file is mapped, or the file has changed or cannot be read; in report only. */
bool hak__os_find_code(uintptr_t address, struct hak_code *code);

/* Copies bytes of this process; false when they cannot be read. */
bool hak__os_peek(uintptr_t address, void *bytes, size_t size);

#endif
