/* SPDX-License-Identifier: MIT */
/* Statistics as text and as JSON; hakmem.h describes the function, hakmem(7) the fields. */
#include <errno.h>
#include <hakmem/hakmem.h>

#include "api/summary.h"
#include "core/options.h"
#include "core/report.h"
#include "core/stats.h"
#include "front/front.h"
#include "front/locks.h"

struct total {
    const char *name, *label;
    size_t value;
};

enum { TOTALS = 10 };

static void totals_of(const struct hak_summary *s, struct total total[TOTALS])
{
    const struct total rows[TOTALS] = {
        {"live_bytes", "live bytes", s->live_bytes},
        {"retained_bytes", "retained bytes", s->retained_bytes},
        {"committed_bytes", "committed bytes", s->committed_bytes},
        {"metadata_bytes", "metadata bytes", s->metadata_bytes},
        {"small_bytes", "small block bytes", s->small_bytes},
        {"large_bytes", "large block bytes", s->large_bytes},
        {"huge_bytes", "of these huge", s->huge_bytes},
        {"huge_blocks", "huge blocks", s->huge_blocks},
        {"superslabs", "SuperSlabs", s->superslabs},
        {"heaps", "heaps in use", s->heaps},
    };
    for (int i = 0; i < TOTALS; i++)
        total[i] = rows[i];
}

static void text_row(struct hak_text *text, const char *label, uint64_t value)
{
    hak__text_string(text, "  ");
    hak__text_string(text, label);
    for (size_t length = __builtin_strlen(label); length < 24; length++)
        hak__text_string(text, " ");
    hak__text_unsigned(text, value);
    hak__text_string(text, "\n");
}

static void print_text(struct hak_text *text, const struct hak_summary *summary)
{
    struct total total[TOTALS];
    totals_of(summary, total);
    hak__text_string(text, "hakmem " PACKAGE_VERSION " statistics\n");
    for (int i = 0; i < TOTALS; i++)
        text_row(text, total[i].label, total[i].value);
    hak__text_string(text, "counters\n");
    for (int i = 0; i < HAK_COUNTER_COUNT; i++)
        text_row(text, hak__counter_label((enum hak_counter)i),
                 hak__counter_sum((enum hak_counter)i));
    text_row(text, "lock waits", hak__lock_waits());
    hak__text_string(text, "locks (name: acquisitions, waits)\n");
    for (int i = 0; i < HAK_LOCK_COUNT; i++) {
        hak__text_string(text, "  ");
        hak__text_string(text, hak__locks[i].name);
        hak__text_string(text, ": ");
        hak__text_unsigned(text, hak_load_relaxed(&hak__locks[i].lock->acquisitions));
        hak__text_string(text, ", ");
        hak__text_unsigned(text, hak_load_relaxed(&hak__locks[i].lock->waits));
        hak__text_string(text, "\n");
    }
    hak__text_string(text, "classes (size: slabs, blocks out, blocks of the slabs)\n");
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        if (summary->class[i].slabs == 0)
            continue;
        hak__text_string(text, "  ");
        hak__text_unsigned(text, hak__class_size(i));
        hak__text_string(text, ": ");
        hak__text_unsigned(text, summary->class[i].slabs);
        hak__text_string(text, ", ");
        hak__text_unsigned(text, summary->class[i].out);
        hak__text_string(text, ", ");
        hak__text_unsigned(text, summary->class[i].capacity);
        hak__text_string(text, "\n");
    }
}

static void json_field(struct hak_text *text, const char *name, uint64_t value, const char *end)
{
    hak__text_string(text, "\"");
    hak__text_string(text, name);
    hak__text_string(text, "\":");
    hak__text_unsigned(text, value);
    hak__text_string(text, end);
}

static void print_json(struct hak_text *text, const struct hak_summary *summary)
{
    struct total total[TOTALS];
    totals_of(summary, total);
    hak__text_string(text, "{\"version\":\"" PACKAGE_VERSION "\",");
    for (int i = 0; i < TOTALS; i++)
        json_field(text, total[i].name, total[i].value, ",");
    hak__text_string(text, "\"counters\":{");
    for (int i = 0; i < HAK_COUNTER_COUNT; i++)
        json_field(text, hak__counter_name((enum hak_counter)i),
                   hak__counter_sum((enum hak_counter)i), ",");
    json_field(text, "lock_waits", hak__lock_waits(), "},\"locks\":{");
    for (int i = 0; i < HAK_LOCK_COUNT; i++) {
        struct hak_lock *lock = hak__locks[i].lock;
        hak__text_string(text, "\"");
        hak__text_string(text, hak__locks[i].name);
        hak__text_string(text, "\":{");
        json_field(text, "acquisitions", hak_load_relaxed(&lock->acquisitions), ",");
        json_field(text, "waits", hak_load_relaxed(&lock->waits),
                   i + 1 < HAK_LOCK_COUNT ? "}," : "}},\"classes\":[");
    }
    const char *separator = "";
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        if (summary->class[i].slabs == 0)
            continue;
        hak__text_string(text, separator);
        separator = ",";
        hak__text_string(text, "{");
        json_field(text, "size", hak__class_size(i), ",");
        json_field(text, "slabs", summary->class[i].slabs, ",");
        json_field(text, "out", summary->class[i].out, ",");
        json_field(text, "capacity", summary->class[i].capacity, "}");
    }
    hak__text_string(text, "]}\n");
}

int hak_stats_print(int fd, hak_stats_format_t format)
{
    if (format != HAK_STATS_TEXT && format != HAK_STATS_JSON) {
        errno = EINVAL;
        return -1;
    }
    struct hak_summary summary;
    struct hak_text text;
    hak__summarise(&summary);
    hak__text_begin(&text, fd);
    if (format == HAK_STATS_TEXT)
        print_text(&text, &summary);
    else
        print_json(&text, &summary);
    int error = hak__text_end(&text);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

/* The option "stats" asks for a report when the process ends by exit(3). */
static __attribute__((destructor)) void print_at_exit(void)
{
    int64_t wanted = hak__option(HAK_OPTION_STATS);
    if (wanted != 0 && !hak__disabled)
        hak_stats_print(2, wanted == 1 ? HAK_STATS_TEXT : HAK_STATS_JSON);
}
