/* SPDX-License-Identifier: MIT */
#include "page/retain.h"

#include <stdint.h>

#include "base/probe.h"
#include "core/meta.h"
#include "core/options.h"
#include "os/os.h"

HAK_WRITTEN_OFTEN _Atomic size_t hak__live_bytes;
HAK_WRITTEN_OFTEN _Atomic size_t hak__retained_bytes;
_Atomic size_t hak__pinned_bytes;
HAK_WRITTEN_OFTEN _Atomic size_t hak__taken_bytes;

enum { SOON_MS = 1000, PINNED_MS = 1000 };

static _Atomic size_t purged, missed, regret; /* any thread; only steer */
static _Atomic int64_t purge_time;    /* ms, of the last purge; likewise */
enum { QUARTERS = 4, EARLIER = QUARTERS - 1 }; /* of a decay period */
static _Atomic size_t period_minimum; /* least retained in this quarter; any thread, only steers */
static _Atomic size_t earlier_minima[EARLIER]; /* and before, the latest first; by who moves period_end */
static _Atomic int64_t period_end;    /* ms, of the quarter; whoever moves it by CAS purges */
static _Atomic int64_t regret_end;    /* ms; by whoever has moved period_end */
static _Atomic int64_t pinned_tried;  /* ms; by whoever has moved period_end */

/* The bound in bytes, or a percentage of what is live if that is more. */
static size_t bound_of(enum hak_option bytes, enum hak_option percent)
{
    size_t least = (size_t)hak__option(bytes);
    size_t share = hak_load_relaxed(&hak__live_bytes) / 100 * (size_t)hak__option(percent);
    return share > least ? share : least;
}

static size_t most_retained(void)
{
    return bound_of(HAK_OPTION_RETAIN_MAX, HAK_OPTION_RETAIN_PERCENT_MAX);
}

static size_t with_records(size_t bytes)
{
    return bytes + hak_load_relaxed(&hak__metadata_bytes);
}

size_t hak__footprint(void)
{
    return with_records(hak_load_relaxed(&hak__taken_bytes));
}

void hak__memory_add(size_t bytes)
{
    HAK_SHARED(hak_add_relaxed(&hak__taken_bytes, bytes));
}

HAK_COLD static void note_refusal(size_t bytes)
{
    hak__count(HAK_COUNTER_REFUSALS, 1);
    HAK_PROBE3(hakmem, limit_refused, bytes, hak__footprint(), hak__option(HAK_OPTION_LIMIT_HARD));
}

bool hak__memory_is_allowed(size_t bytes)
{
    size_t limit = (size_t)hak__option(HAK_OPTION_LIMIT_HARD);
    if (hak_likely(limit == 0) || bytes <= limit)
        return true;
    note_refusal(bytes);
    return false;
}

bool hak__memory_take(size_t bytes)
{
    size_t limit = (size_t)hak__option(HAK_OPTION_LIMIT_HARD);
    if (hak_likely(limit == 0)) {
        hak__memory_add(bytes);
        return true;
    }
    size_t taken = hak_load_relaxed(&hak__taken_bytes);
    do {
        if (bytes > limit || with_records(taken) > limit - bytes) {
            note_refusal(bytes);
            return false;
        }
    } while (!hak__shared_cas(hak_cas_relaxed(&hak__taken_bytes, &taken, taken + bytes)));
    return true;
}

void *hak__record_alloc(size_t size, size_t alignment)
{
    size_t limit = (size_t)hak__option(HAK_OPTION_LIMIT_HARD);
    if (hak_unlikely(limit != 0) && hak__footprint() + size > limit) {
        note_refusal(size);
        return NULL;
    }
    return hak__meta_alloc(size, alignment);
}

void hak__memory_return(size_t bytes)
{
    HAK_SHARED(hak_sub_relaxed(&hak__taken_bytes, bytes));
}

/* Retained bytes that the system may take. */
static size_t returnable(size_t retained)
{
    size_t pinned = hak_load_relaxed(&hak__pinned_bytes);
    return retained > pinned ? retained - pinned : 0;
}

size_t hak__over_soft_limit(size_t more)
{
    size_t limit = (size_t)hak__option(HAK_OPTION_LIMIT_SOFT);
    if (hak_likely(limit == 0))
        return 0;
    size_t wanted = hak__footprint() + more;
    if (wanted <= limit)
        return 0;
    size_t retained = returnable(hak_load_relaxed(&hak__retained_bytes));
    return wanted - limit < retained ? wanted - limit : retained;
}

void hak__retained_sub(size_t bytes)
{
    size_t left = HAK_SHARED(hak_sub_relaxed(&hak__retained_bytes, bytes)) - bytes;
    if (left < hak_load_relaxed(&period_minimum))
        hak_store_relaxed(&period_minimum, left);
}

void hak__retain_purged(size_t bytes)
{
    hak_store_relaxed(&purged, hak_load_relaxed(&purged) + bytes);
    hak_store_relaxed(&purge_time, hak__os_now_ms());
}

void hak__retain_missed(size_t bytes)
{
    if (hak_unlikely(hak_load_relaxed(&purged) != 0))
        hak_store_relaxed(&missed, hak_load_relaxed(&missed) + bytes);
}

/* What was missed since the last look: was it purged just before? */
static void regret_missed(void)
{
    size_t bytes = hak_load_relaxed(&missed), gone = hak_load_relaxed(&purged);
    if (hak_likely(bytes == 0))
        return;
    hak_store_relaxed(&missed, 0);
    if (hak__os_now_ms() - hak_load_relaxed(&purge_time) > SOON_MS) {
        hak_store_relaxed(&purged, 0);
        return;
    }
    if (bytes > gone)
        bytes = gone;
    size_t more = hak_load_relaxed(&regret) + 4 * bytes, most = most_retained();
    hak_store_relaxed(&purged, gone - bytes);
    hak_store_relaxed(&regret, more < most ? more : most);
}

size_t hak__retain_limit(void)
{
    size_t least = bound_of(HAK_OPTION_RETAIN_MIN, HAK_OPTION_RETAIN_PERCENT);
    size_t most = most_retained();
    size_t more = hak_load_relaxed(&regret);
    if (least >= most)
        return least;
    return more < most - least ? least + more : most;
}

size_t hak__retain_excess(size_t kept)
{
    regret_missed();
    size_t retained = hak_load_relaxed(&hak__retained_bytes);
    size_t over = hak__over_soft_limit(0);
    if (hak_likely(retained + kept <= (size_t)hak__option(HAK_OPTION_RETAIN_MIN)))
        return over;
    retained = returnable(retained);
    size_t limit = hak__retain_limit();
    limit -= kept < limit / 2 ? kept : limit / 2;
    size_t excess = retained > limit ? retained - limit / 8 * 7 : 0;
    return excess > over ? excess : over;
}

/*
 * The least that was retained in the last decay period. It is looked at four times a period, so that
 * nothing stays longer than one and a quarter; a time without a look counts as so many quarters.
 */
static size_t least_of_period(int64_t quarters)
{
    size_t least = hak_load_relaxed(&period_minimum), now = least;
    for (int i = 0; i < EARLIER; i++) {
        size_t before = hak_load_relaxed(&earlier_minima[i]);
        if (i + quarters < QUARTERS && before < least)
            least = before;
    }
    for (int i = EARLIER - 1; i >= 0; i--)
        hak_store_relaxed(&earlier_minima[i],
                          i < quarters ? now : hak_load_relaxed(&earlier_minima[i - quarters]));
    return least;
}

/* Once a decay period, or a second if that is longer. */
static bool is_time_for_pinned(int64_t now)
{
    if (hak_load_relaxed(&hak__pinned_bytes) == 0 ||
        now - hak_load_relaxed(&pinned_tried) < PINNED_MS)
        return false;
    hak_store_relaxed(&pinned_tried, now);
    return true;
}

size_t hak__retain_decay(bool *pinned_too)
{
    int64_t period = hak__option(HAK_OPTION_DECAY_MS);
    size_t retained = hak_load_relaxed(&hak__retained_bytes);
    *pinned_too = false;
    if (period <= 0)
        return period == 0 ? returnable(retained) : 0;
    int64_t now = hak__os_now_ms();
    int64_t end = hak_load_relaxed(&period_end);
    int64_t quarter = period < QUARTERS ? 1 : period / QUARTERS;
    if (now < end || !hak_cas_acquire(&period_end, &end, now + quarter))
        return 0;
    if (now >= hak_load_relaxed(&regret_end)) {
        hak_store_relaxed(&regret_end, now + period);
        hak_store_relaxed(&purged, 0);
        hak_store_relaxed(&regret, hak_load_relaxed(&regret) / 2);
    }
    size_t surplus = least_of_period(1 + (now - end) / quarter);
    hak_store_relaxed(&period_minimum, retained);
    if (end == 0)
        return 0;
    *pinned_too = is_time_for_pinned(now);
    size_t most = *pinned_too ? retained : returnable(retained);
    return surplus < most ? surplus : most;
}
