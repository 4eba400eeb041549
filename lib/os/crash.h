/* SPDX-License-Identifier: MIT */
/* Being told when the process crashes. */
#ifndef HAK_OS_CRASH_H
#define HAK_OS_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum { HAK_CRASH_REGISTERS = 31, HAK_CRASH_FRAMES = 64 };

struct hak_crash {
    int signal, code; /* as in siginfo_t */
    const char *name; /* of the signal */
    bool has_address; /* the fault's; none where a process sent the signal */
    uintptr_t address;
    uintptr_t pc; /* 0 where it is not known */
    long process, thread;
    size_t registers; /* how many of the next two are filled */
    const char *register_name[HAK_CRASH_REGISTERS];
    uintptr_t register_value[HAK_CRASH_REGISTERS];
};

/*
 * From now on calls report, in a signal handler, on SIGSEGV, SIGBUS and SIGABRT, for one thread at
 * a time; then the handler that was there before runs, or the default action. Called once,
 * while there is one thread; may allocate. A fault within report ends the process at once.
 * load_unwinder: loads now what the backtrace needs. Not in a static program: there the unwinder
 * is at hand, but knows no function yet when constructors run, and aborts.
 */
void hak__os_on_crash(void (*report)(const struct hak_crash *crash), bool load_unwinder);

/* Ends the process by SIGABRT, whatever the program has made of that signal. */
HAK_NORETURN void hak__os_end_by_abort(void);

/*
 * From where the crash was reached: the addresses of up to as many instructions, the first that which
 * crashed if it is known, the others those to which calls return. In report only; how many.
 */
int hak__os_backtrace(const struct hak_crash *crash, uintptr_t addresses[HAK_CRASH_FRAMES]);

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
