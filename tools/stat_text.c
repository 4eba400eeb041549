/* SPDX-License-Identifier: MIT */
#include "stat_text.h"

#include <inttypes.h>

#include "number_text.h"
#include "slab/size_class.h"
#include "stat_parts.h"
#include "threads_text.h"

static const double MIB = 1 << 20;

/* ---- what the RSS is made of ------------------------------------------- */

static void print_part(FILE *out, const char *label, uint64_t bytes, uint64_t rss)
{
    fprintf(out, "  %-30s %10s %6.1f %%\n", label, number_mib((double)bytes).text, 100 * (double)bytes / (double)rss);
}

static void print_parts(FILE *out, const struct process *process)
{
    struct stat_parts parts = stat_parts(process);
    const uint64_t *value = parts.value;
    fprintf(out, "\n  %-30s %10s %8s\n", "RSS is made of", "MiB", "share");
#define HAK_TOTAL(id, name, label, help)
#define HAK_PART(id, name, label, help) print_part(out, label, value[STAT_##id], value[STAT_RSS]);
#include "stat_parts.def"
    if ((double)parts.absent >= MIB / 100)
        fprintf(out, "\n  Another %s is allocated but not resident: never written to%s.\n",
                number_mib_with_unit((double)parts.absent).text, value[STAT_SWAPPED] != 0 ? ", or swapped out" : "");
}

/* ---- the rest ---------------------------------------------------------- */

static void print_change(FILE *out, uint64_t before, uint64_t now, const struct stat_text_options *options)
{
    if (options->seconds != 0)
        fprintf(out, " (%s%s)", now < before ? "" : "+", number_mib_with_unit((double)now - (double)before).text);
}

static void print_rate(FILE *out, const struct process *process, const struct stat_text_options *options)
{
    uint64_t now = process->snapshot.value[HAK_STAT_REQUESTED_BYTES];
    uint64_t before = process->before.snapshot.value[HAK_STAT_REQUESTED_BYTES];
    if (options->seconds != 0 && now >= before)
        fprintf(out, "\nRequests %.2f MiB per second", (double)(now - before) / options->seconds / MIB);
}

static void print_head(FILE *out, const struct process *process, const struct stat_text_options *options)
{
    const struct residency *resident = &process->residency;
    fprintf(out, "%s (process %d), libhakmem %s\n", process->name, (int)process->pid, process->version);
    if (resident->is_known) {
        fprintf(out, "RSS %s", number_mib_with_unit((double)resident->rss).text);
        print_change(out, process->before.rss, resident->rss, options);
        fprintf(out, ", peak %s, ", number_mib_with_unit((double)resident->peak).text);
    }
    uint64_t allocated = process->snapshot.value[HAK_STAT_ALLOCATED_BYTES];
    fprintf(out, "allocated %s", number_mib_with_unit((double)allocated).text);
    print_change(out, process->before.snapshot.value[HAK_STAT_ALLOCATED_BYTES], allocated, options);
    print_rate(out, process, options);
    fprintf(out, "\n");
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* The starter has no room for other blocks of the class: what is free and occupied is told of slabs alone. */
static void print_class(FILE *out, unsigned number, const struct hak_class_snapshot *class)
{
    uint64_t live = hak__class_live(class), room = less(class->capacity, class->starter);
    uint64_t in_slabs = less(live, class->starter);
    fprintf(out, "  %8zu %8" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64, hak__class_size(number),
            class->slabs, live, class->starter, class->cached, less(room, in_slabs + class->cached));
    if (room != 0)
        fprintf(out, " %8.1f %% %10s\n", 100 * (double)in_slabs / (double)room, number_mib((double)class->bytes).text);
    else
        fprintf(out, " %10s %10s\n", "-", "-");
}

static void print_starter(FILE *out, const struct hak_snapshot *snapshot)
{
    uint64_t blocks = 0, bytes = 0;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        blocks += snapshot->class[i].starter;
        bytes += snapshot->class[i].starter * hak__class_size(i);
    }
    if (snapshot->starter_bytes != 0)
        fprintf(out, "  starter, for the first blocks of all sizes: %" PRIu64 " allocated, %.2f of %.2f KiB occupied\n",
                blocks, (double)bytes / 1024, (double)snapshot->starter_bytes / 1024);
}

static void print_classes(FILE *out, const struct hak_snapshot *snapshot)
{
    const uint64_t *value = snapshot->value;
    fprintf(out, "\n  %8s %8s %10s %10s %10s %10s %10s %10s\n", "size", "slabs", "allocated", "starter", "cached",
            "free", "occupied", "MiB");
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++)
        if (snapshot->class[i].capacity != 0)
            print_class(out, i, &snapshot->class[i]);
    print_starter(out, snapshot);
    fprintf(out, "  larger blocks: %s allocated, of which huge blocks (%" PRIu64 "): %s\n",
            number_mib_with_unit((double)value[HAK_STAT_LARGE_BYTES]).text, value[HAK_STAT_HUGE_BLOCKS],
            number_mib_with_unit((double)value[HAK_STAT_HUGE_BYTES]).text);
}

static void print_counter(FILE *out, const char *name, uint64_t before, uint64_t now,
                          const struct stat_text_options *options)
{
    fprintf(out, "  %-28s %16" PRIu64, name, now);
    if (options->seconds != 0)
        fprintf(out, " %12.1f", ((double)now - (double)before) / options->seconds);
    fprintf(out, "\n");
}

static void print_counters(FILE *out, const struct process *process, const struct stat_text_options *options)
{
    static const struct {
        enum hak_stat stat;
        const char *name;
    } counters[] = {
#define HAK_COUNTER(id, name, help) {HAK_STAT_##id, #name},
#define HAK_SUM(id, name, help) {HAK_STAT_##id, #name},
#include "core/stats.def"
    };
    static const char *const locks[HAK_LOCK_COUNT] = {
#define HAK_LOCK(lock, name) name,
#include "front/locks.def"
#undef HAK_LOCK
    };
    const struct hak_snapshot *now = &process->snapshot, *before = &process->before.snapshot;
    fprintf(out, "\n  %-28s %16s%s\n", "counter", "so far", options->seconds != 0 ? "     a second" : "");
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        print_counter(out, counters[i].name, before->value[counters[i].stat], now->value[counters[i].stat], options);
    fprintf(out, "\n  %-28s %16s %12s\n", "lock", "taken", "waited for");
    for (int i = 0; i < HAK_LOCK_COUNT; i++)
        fprintf(out, "  %-28s %16" PRIu64 " %12" PRIu64 "\n", locks[i], now->lock[i].acquisitions, now->lock[i].waits);
}

void stat_text_process(FILE *out, const struct process *process, const struct stat_text_options *options)
{
    struct stat_text_options shown = *options;
    if (!process->before.is_known)
        shown.seconds = 0;
    print_head(out, process, &shown);
    if (shown.threads && process->threads != NULL) {
        fputs("\n", out);
        threads_write_text(out, process->threads);
    } else {
        if (process->residency.is_known)
            print_parts(out, process);
        print_classes(out, &process->snapshot);
    }
    if (shown.counters)
        print_counters(out, process, &shown);
}

void stat_text_table(FILE *out, const struct process *processes, size_t count)
{
    fprintf(out, "%8s %-16s %10s %10s %10s %10s %10s %10s\n", "PID", "program", "RSS", "allocated", "cached", "free",
            "retained", "other");
    for (const struct process *process = processes; process < processes + count; process++) {
        struct stat_parts parts = stat_parts(process);
        const uint64_t *value = parts.value;
        fprintf(out, "%8d %-16.16s %10s %10s %10s %10s %10s %10s\n", (int)process->pid, process->name,
                number_mib((double)value[STAT_RSS]).text,
                number_mib((double)process->snapshot.value[HAK_STAT_ALLOCATED_BYTES]).text,
                number_mib((double)value[STAT_CACHED]).text, number_mib((double)value[STAT_SLAB_FREE]).text,
                number_mib((double)value[STAT_RETAINED]).text,
                number_mib((double)(value[STAT_METADATA] + value[STAT_FILES] + value[STAT_OTHER])).text);
    }
    fprintf(out, "in MiB unless a unit is given; give one PID for its details\n");
}
