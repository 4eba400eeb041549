/* SPDX-License-Identifier: MIT */
/* What hakmem stat --threads writes; hakmem top shows the same table. */
#ifndef HAK_TOOLS_THREADS_TEXT_H
#define HAK_TOOLS_THREADS_TEXT_H

#include <stdio.h>

#include "core/report.h"
#include "process.h"

/* A table, those that request most first. */
void threads_write_text(FILE *out, const struct threads *threads);

/* An object after doc/threads.schema.json. */
void threads_write_json(FILE *out, const struct process *process);

/* Metrics in the text format of Prometheus. */
void threads_write_metrics(struct hak_text *text, const struct process *processes, size_t count);

#endif
