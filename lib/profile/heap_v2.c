/* SPDX-License-Identifier: MIT */
#include "profile/heap_v2.h"

#include "core/report.h"
#include "os/maps.h"
#include "profile/exponential.h"
#include "profile/tables.h"

/* What was sampled of so many estimated blocks: what a reader scales up again, by their mean size. */
static struct hak_profile_sum sampled(struct hak_profile_sum sum, uint64_t interval)
{
    double blocks = (double)sum.blocks / (1 << HAK_PROFILE_WEIGHT_SHIFT), bytes = (double)sum.bytes;
    if (sum.blocks == 0 || interval == 0)
        return (struct hak_profile_sum){0, 0};
    double size = bytes > blocks ? bytes / blocks : 1;
    double p = hak__probability(size / (double)interval), count = blocks * p + 0.5;
    uint64_t whole = count > 1 ? (uint64_t)count : 1;
    return (struct hak_profile_sum){whole, (uint64_t)((double)whole * size + 0.5)};
}

static struct hak_profile_sum seen_as(const struct hak_site *site, enum hak_profile_of view)
{
    return view == HAK_PROFILE_OF_IN_USE ? site->in_use
           : view == HAK_PROFILE_OF_PEAK ? site->at_peak
                                         : site->allocated;
}

static void write_sums(struct hak_text *text, struct hak_profile_sum now, struct hak_profile_sum all)
{
    hak__text_unsigned(text, now.blocks);
    hak__text_string(text, ": ");
    hak__text_unsigned(text, now.bytes);
    hak__text_string(text, " [");
    hak__text_unsigned(text, all.blocks);
    hak__text_string(text, ": ");
    hak__text_unsigned(text, all.bytes);
    hak__text_string(text, "] @");
}

static void add(struct hak_profile_sum *to, struct hak_profile_sum sum)
{
    to->blocks += sum.blocks;
    to->bytes += sum.bytes;
}

static void write_head(struct hak_text *text, uint64_t interval, enum hak_profile_of view)
{
    struct hak_profile_sum now = {0, 0}, all = {0, 0};
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH];
    for (uint32_t i = 0; hak__profile_site(i, &site, frames) != 0; i++) {
        add(&now, sampled(seen_as(&site, view), interval));
        add(&all, sampled(site.allocated, interval));
    }
    hak__text_string(text, "heap profile: ");
    write_sums(text, now, all);
    hak__text_string(text, " heap_v2/");
    hak__text_unsigned(text, interval);
    hak__text_string(text, "\n");
}

int hak__heap_v2_write(int fd, enum hak_profile_of view)
{
    struct hak_text text;
    struct hak_profile profile;
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH];
    hak__profile_copy(&profile);
    /* the peak is recorded in steps, and what is in use now may be above the last one */
    if (view == HAK_PROFILE_OF_PEAK && profile.in_use.bytes > profile.at_peak.bytes)
        view = HAK_PROFILE_OF_IN_USE;
    hak__text_begin(&text, fd);
    write_head(&text, profile.shortest_interval, view);
    uint32_t depth = 0;
    for (uint32_t i = 0; (depth = hak__profile_site(i, &site, frames)) != 0; i++) {
        struct hak_profile_sum now = sampled(seen_as(&site, view), profile.shortest_interval);
        struct hak_profile_sum all = sampled(site.allocated, profile.shortest_interval);
        if (all.blocks == 0)
            continue;
        write_sums(&text, now, all);
        for (uint32_t frame = 0; frame < depth; frame++) {
            hak__text_string(&text, " ");
            /* pprof looks in front of all addresses but the first, in some of its versions of all */
            hak__text_pointer(&text, (void *)(uintptr_t)(frames[frame] - (frame == 0 && frames[0] != 0)));
        }
        hak__text_string(&text, "\n");
    }
    hak__text_string(&text, "\nMAPPED_LIBRARIES:\n");
    int error = hak__text_end(&text);
    return error != 0 ? error : hak__maps_write(fd);
}
