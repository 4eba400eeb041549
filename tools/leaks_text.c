/* SPDX-License-Identifier: MIT */
/* Leaks as text for people. */
#include "config.h"

#include <inttypes.h>

#include "leaks.h"
#include "number_text.h"

static const double MIB = 1 << 20;

/* ---- the head ---------------------------------------------------------- */

static void write_sum(FILE *out, struct leaks_sum sum)
{
    fprintf(out, "%" PRIu64 " block%s (%s)", sum.blocks, number_s(sum.blocks), number_bytes((double)sum.bytes).text);
}

/* At its end, by hakmem run. */
static bool is_of_run(const struct leaks *leaks)
{
    return leaks->pid != 0 && leaks->stops == 0 && leaks->exact;
}

static void write_stops(FILE *out, const struct leaks *leaks)
{
    if (leaks->pid == 0)
        fprintf(out, "Memory that is not in the core file, such as shared mappings of files, was not searched.\n");
    else if (is_of_run(leaks))
        fprintf(out, "The process was searched when it ended. Processes that it started were not searched.\n");
    else if (leaks->stops == 0)
        fprintf(out, "The process was not stopped: blocks that it moved meanwhile may be shown incorrectly.\n");
    else if (leaks->stops == 1)
        fprintf(out, "The process was stopped for %.1f ms.\n", 1000 * leaks->stopped);
    else
        fprintf(out, "The process was stopped %u times, for %.1f ms at most.\n", leaks->stops,
                1000 * leaks->longest);
}

/* What makes the answer less than exact. */
static void write_doubts(FILE *out, const struct leaks *leaks)
{
    if (!leaks->has_marks)
        fprintf(out, "The library was built without checks: some free blocks may be shown as leaked.\n");
    if (leaks->unsettled != 0)
        fprintf(out, "The process moves blocks faster than they can be read: after %u passes, some of the blocks shown\n"
                     "may not be leaked. Use --exact to keep the process stopped.\n", leaks->looks);
    if (leaks->passed_over != 0)
        fprintf(out, "Records left out because they changed or contradict others: %" PRIu64 ".\n",
                leaks->passed_over);
    if (leaks->unread_threads != 0)
        fprintf(out, "The registers of %" PRIu64 " thread%s could not be read.\n", leaks->unread_threads,
                number_s(leaks->unread_threads));
    if (leaks->unread_blocks != 0)
        fprintf(out, "%" PRIu64 " block%s could not be read.\n", leaks->unread_blocks,
                number_s(leaks->unread_blocks));
    if (leaks->ungrouped.blocks != 0)
        fprintf(out, "Leaked blocks that are not in the table, for lack of memory: %" PRIu64 ".\n",
                leaks->ungrouped.blocks);
    if (leaks->unlisted != 0)
        fprintf(out, "Addresses that are not listed, for lack of memory: %" PRIu64 ".\n", leaks->unlisted);
}

void leaks_write_title(FILE *out, const struct leaks *leaks)
{
    if (leaks->pid != 0)
        fprintf(out, "%s (process %d), libhakmem %s\n", leaks->name, (int)leaks->pid, leaks->version);
    else
        fprintf(out, "%s, libhakmem %s\n", leaks->name, leaks->version);
    fprintf(out, "%" PRIu64 " block%s in use, %.2f MiB\n", leaks->in_use.blocks,
            number_s(leaks->in_use.blocks), (double)leaks->in_use.bytes / MIB);
    write_stops(out, leaks);
    write_doubts(out, leaks);
}

static void write_head(FILE *out, const struct leaks *leaks)
{
    leaks_write_title(out, leaks);
    if (leaks->suppressed.blocks != 0) {
        write_sum(out, leaks->suppressed);
        fprintf(out, " suppressed\n");
    }
    if (leaks->direct.blocks + leaks->indirect.blocks == 0) {
        fprintf(out, "No leaks found.\n");
        return;
    }
    write_sum(out, (struct leaks_sum){leaks->direct.blocks + leaks->indirect.blocks,
                                      leaks->direct.bytes + leaks->indirect.bytes});
    fprintf(out, " leaked: ");
    write_sum(out, leaks->direct);
    fprintf(out, " directly, ");
    write_sum(out, leaks->indirect);
    fprintf(out, " only through other leaked blocks\n");
}

/* ---- the table --------------------------------------------------------- */

static void write_words(FILE *out, const struct leaks_block *block)
{
    enum { A_LINE = 4 };
    for (size_t i = 0; i < block->word_count; i++) {
        if (i % A_LINE == 0)
            fprintf(out, "%s        +%-4zu", i > 0 ? "\n" : "", i * sizeof *block->words);
        fprintf(out, " %016" PRIx64, block->words[i]);
    }
    if (block->word_count > 0)
        fputc('\n', out);
}

static void write_list(FILE *out, const struct leaks_group *group)
{
    for (const struct leaks_block *block = group->list; block != NULL; block = block->next) {
        fprintf(out, "      0x%" PRIx64 "\n", block->address);
        write_words(out, block);
    }
}

/* As deep as helps; JSON has all of it. */
void leaks_write_stack(FILE *out, const struct leaks *leaks, const struct leaks_group *group)
{
    enum { DEEPEST = 16 };
    static const struct profile_line *lines[PROFILE_LINES_MOST];
    size_t count = leaks_stack(leaks, group, lines);
    for (size_t i = 0; i < count && i < DEEPEST; i++) {
        fprintf(out, "      %s %s", i > 0 ? "called by" : "allocated by", lines[i]->function);
        if (lines[i]->file != NULL)
            fprintf(out, " (%s:%u)", lines[i]->file, lines[i]->line);
        fputc('\n', out);
    }
    if (count > DEEPEST)
        fprintf(out, "      and %zu more\n", count - DEEPEST);
}

static void write_group(FILE *out, const struct leaks *leaks, const struct leaks_group *group)
{
    fprintf(out, "  %10" PRIu64 " %14" PRIu64 " %12" PRIu64 "  %-8s ", group->sum.blocks, group->sum.bytes,
            group->size, group->indirect ? "indirect" : "direct");
    if (group->indirect)
        fprintf(out, " %15s %14s %14s", "-", "-", "-");
    else
        fprintf(out, " %15" PRIu64 " %14" PRIu64 " %14" PRIu64, group->through.blocks, group->through.bytes,
                leaks_total(group));
    fprintf(out, "  %s\n", group->type != NULL ? group->type : "-");
    leaks_write_stack(out, leaks, group);
    write_list(out, group);
}

static bool has_call_stack(const struct leaks *leaks)
{
    for (size_t i = 0; i < leaks->group_count; i++)
        if (leaks->groups[i].entry != LEAKS_NO_STACK)
            return true;
    return false;
}

void leaks_write_text(FILE *out, const struct leaks *leaks, size_t rows_most)
{
    size_t shown = rows_most != 0 && leaks->group_count > rows_most ? rows_most : leaks->group_count;
    write_head(out, leaks);
    if (shown == 0)
        return;
    fprintf(out, "\n  %10s %14s %12s  %-8s  %15s %14s %14s  %s\n", "blocks", "bytes", "block size", "kind",
            "indirect blocks", "indirect bytes", "total bytes", "C++ type");
    for (size_t i = 0; i < shown; i++)
        write_group(out, leaks, &leaks->groups[i]);
    if (shown < leaks->group_count)
        fprintf(out, "  (%zu more group%s; --rows=0 shows all)\n", leaks->group_count - shown,
                number_s(leaks->group_count - shown));
    if (!has_call_stack(leaks))
        fprintf(out, "\nTo see which code allocated these blocks, start the program with a profile of every block:\n"
                     "    hakmem run %s--conf profile=1 PROGRAM\n", is_of_run(leaks) ? "--leaks " : "");
}
