/* SPDX-License-Identifier: MIT */
/*
 * Whether a process still is what was begun to be read: it may end meanwhile, or execute another program. What
 * was read of it then is only a part, or of both.
 */
#ifndef HAK_TOOLS_PROCESS_WATCH_H
#define HAK_TOOLS_PROCESS_WATCH_H

#include <stdbool.h>

#include "process_record.h"

/*
 * From now on, in place of what was watched before. It finds process->task, too, a thread by which the memory
 * can be read. In a child that reads.
 */
void process_watch(struct process *process);

/* Not when it has ended, even while its parent has not asked for its status: then a list of mappings stops short. */
bool process_has_memory(const struct process *process);

/* Called by the thread that has met it, once, when a read fails as the process is lost. */
void process_watch_call(void (*function)(void));

enum process_lost {
    PROCESS_NOT_LOST,
    PROCESS_LOST_BY_END,
    PROCESS_LOST_BY_PROGRAM /* it has executed another one */
};
/* PROCESS_NOT_LOST of one that is not watched. */
enum process_lost process_watch_result(const struct process *process);

#endif
