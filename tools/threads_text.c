/* SPDX-License-Identifier: MIT */
#include "threads_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "number_text.h"
#include "threads.h"

/* ---- text -------------------------------------------------------------- */

static int by_request(const void *a, const void *b)
{
    const struct thread *one = *(const struct thread *const *)a, *other = *(const struct thread *const *)b;
    if (one->rate != other->rate)
        return one->rate < other->rate ? 1 : -1;
    if (one->requested_bytes != other->requested_bytes)
        return one->requested_bytes < other->requested_bytes ? 1 : -1;
    return (one->tid > other->tid) - (one->tid < other->tid);
}

static void write_row(FILE *out, const char *tid, const struct thread *thread, bool rates)
{
    fprintf(out, "  %10s %-16s %12s %14s", tid, thread->name, number_mib((double)thread->cached_bytes).text,
            number_mib((double)thread->requested_bytes).text);
    if (rates && thread->has_rate)
        fprintf(out, " %12s", number_mib(thread->rate).text);
    else if (rates)
        fprintf(out, " %12s", "-");
    fputs("\n", out);
}

void threads_write_text(FILE *out, const struct threads *threads)
{
    const struct thread **order = calloc(threads->count + 1, sizeof *order);
    bool rates = threads->rest.has_rate;
    struct thread rest = threads->rest;
    strcpy(rest.name, threads->left_out != 0 ? "(all others)" : "(ended threads)");
    for (size_t i = 0; i < threads->count; i++) {
        rates |= threads->list[i].has_rate;
        if (order != NULL)
            order[i] = &threads->list[i];
    }
    if (order != NULL)
        qsort(order, threads->count, sizeof *order, by_request);
    fprintf(out, "  Threads: %zu\n  %10s %-16s %12s %14s%s\n", threads->count + threads->left_out, "thread ID", "name",
            "cached MiB", "requested MiB", rates ? " MiB a second" : "");
    for (size_t i = 0; i < threads->count; i++) {
        const struct thread *thread = order != NULL ? order[i] : &threads->list[i];
        char tid[16];
        snprintf(tid, sizeof tid, "%d", (int)thread->tid);
        write_row(out, tid, thread, rates);
    }
    if (rest.cached_bytes != 0 || rest.requested_bytes != 0)
        write_row(out, "-", &rest, rates);
    if (threads->left_out != 0)
        fprintf(out, "  (%zu more thread%s)\n", threads->left_out, number_s(threads->left_out));
    free(order);
}

/* ---- JSON -------------------------------------------------------------- */

static void write_numbers(FILE *out, const struct thread *thread)
{
    fprintf(out, "\"cached_bytes\":%" PRIu64 ",\"requested_bytes\":%" PRIu64, thread->cached_bytes,
            thread->requested_bytes);
    if (thread->has_rate)
        fprintf(out, ",\"rates\":{\"requested_bytes\":%.0f}", thread->rate);
    fputs("}", out);
}

void threads_write_json(FILE *out, const struct process *process)
{
    const struct threads *threads = process->threads;
    fputs("{\"schema\":1,", out);
    json_member(out, "version", process->version);
    fputs(",", out);
    json_member(out, "program", process->name);
    fprintf(out, ",\"pid\":%d,\"threads\":[", (int)process->pid);
    for (size_t i = 0; i < threads->count; i++) {
        fprintf(out, "%s{\"tid\":%d,", i > 0 ? "," : "", (int)threads->list[i].tid);
        json_member(out, "name", threads->list[i].name);
        fputs(",", out);
        write_numbers(out, &threads->list[i]);
    }
    fprintf(out, "],\"left_out\":%zu,\"others\":{", threads->left_out);
    write_numbers(out, &threads->rest);
    fputs("}\n", out);
}

/* ---- metrics ----------------------------------------------------------- */

static const struct {
    const char *name, *help, *type;
} metrics[] = {
    {"hakmem_thread_cached_bytes", "Freed blocks in the cache of a thread.", "gauge"},
    {"hakmem_thread_requested_bytes_total",
     "How many bytes a thread has asked for so far, including those that were freed since.", "counter"}};

static void quoted(struct hak_text *text, const char *bytes)
{
    for (; *bytes != '\0'; bytes++) {
        hak__text_string(text, *bytes == '"' || *bytes == '\\' ? "\\" : "");
        hak__text_bytes(text, bytes, 1);
    }
}

static void write_metric(struct hak_text *text, size_t metric, const struct process *process, const struct thread *thread)
{
    hak__text_string(text, metrics[metric].name);
    hak__text_string(text, "{pid=\"");
    hak__text_signed(text, process->pid);
    hak__text_string(text, "\",program=\"");
    quoted(text, process->name);
    hak__text_string(text, "\",tid=\"");
    hak__text_signed(text, thread->tid);
    hak__text_string(text, "\",thread=\"");
    quoted(text, thread->name);
    hak__text_string(text, "\"} ");
    hak__text_unsigned(text, metric == 0 ? thread->cached_bytes : thread->requested_bytes);
    hak__text_string(text, "\n");
}

void threads_write_metrics(struct hak_text *text, const struct process *processes, size_t count)
{
    for (size_t metric = 0; metric < sizeof metrics / sizeof metrics[0]; metric++) {
        hak__text_string(text, "# HELP ");
        hak__text_string(text, metrics[metric].name);
        hak__text_string(text, " ");
        hak__text_string(text, metrics[metric].help);
        hak__text_string(text, "\n# TYPE ");
        hak__text_string(text, metrics[metric].name);
        hak__text_string(text, " ");
        hak__text_string(text, metrics[metric].type);
        hak__text_string(text, "\n");
        for (size_t n = 0; n < count; n++)
            for (size_t i = 0; processes[n].threads != NULL && i < processes[n].threads->count; i++)
                write_metric(text, metric, &processes[n], &processes[n].threads->list[i]);
    }
}
