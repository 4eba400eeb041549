/* SPDX-License-Identifier: MIT */
#include "profile/leaks.h"

#include <string.h>

#include "core/file_name.h"
#include "core/options.h"
#include "core/report.h"
#include "profile/exponential.h"
#include "profile/frame_text.h"
#include "profile/tables.h"

enum { SITES_SHOWN = 20, FRAMES_SHOWN = 32 };

/* By Newton's steps, which begin above it. */
static double square_root(double square)
{
    double root = square > 1 ? square : 1;
    for (double next; (next = (root + square / root) / 2) < root;)
        root = next;
    return root;
}

/*
 * The variance of an estimate: n blocks of a size that were sampled with the probability p stand for
 * n / p, of which the variance is n (1 - p) / p^2.
 */
static double variance(const struct hak_site *site, uint64_t interval)
{
    double blocks = (double)site->in_use.blocks / (1 << HAK_PROFILE_WEIGHT_SHIFT);
    double size = blocks > 0 ? (double)site->in_use.bytes / blocks : 0;
    if (size < 1 || interval == 0)
        return 0;
    double p = hak__probability(size / (double)interval);
    return blocks * (1 - p) / p * size * size;
}

static void say_sum(struct hak_text *text, struct hak_profile_sum sum, uint64_t interval)
{
    uint64_t blocks = (sum.blocks + (1 << HAK_PROFILE_WEIGHT_SHIFT) / 2) >> HAK_PROFILE_WEIGHT_SHIFT;
    if (interval > 1)
        hak__text_string(text, "about ");
    hak__text_unsigned(text, sum.bytes);
    hak__text_string(text, " bytes in ");
    hak__text_unsigned(text, blocks);
    hak__text_string(text, blocks == 1 ? " block" : " blocks");
}

/* The message is for who reads the report, wherever standard error leads by now. */
static void begin_message(struct hak_text *text, int fd)
{
    hak__text_message(text);
    text->fd = fd;
}

static void say_all(int fd, const struct hak_profile *profile)
{
    struct hak_text text;
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH];
    double sum = 0;
    for (uint32_t i = 0; hak__profile_site(i, &site, frames) != 0; i++)
        sum += variance(&site, profile->longest_interval);
    begin_message(&text, fd);
    hak__text_string(&text, "in use at exit: ");
    say_sum(&text, profile->in_use, profile->longest_interval);
    if (profile->longest_interval > 1) {
        hak__text_string(&text, "; estimated from ");
        hak__text_unsigned(&text, profile->samples_in_use);
        hak__text_string(&text, " samples, one for each ");
        hak__text_unsigned(&text, profile->longest_interval);
        hak__text_string(&text, " bytes allocated, standard error ");
        hak__text_unsigned(&text, (uint64_t)square_root(sum));
        hak__text_string(&text, " bytes\n");
    } else {
        hak__text_string(&text, "; every block was recorded\n");
    }
    hak__text_end(&text);
}

static void say_site(int fd, const struct hak_site *site, const uint64_t *frames, uint32_t depth, uint64_t interval)
{
    static HAK_SPARSE struct hak_code code;
    struct hak_text text;
    hak__text_begin(&text, fd);
    say_sum(&text, site->in_use, interval);
    hak__text_string(&text, ", allocated by\n");
    for (uint32_t i = 0; i < depth && i < FRAMES_SHOWN; i++)
        hak__text_frame(&text, i, (uintptr_t)frames[i] - 1, &code);
    if (depth > FRAMES_SHOWN) {
        hak__text_string(&text, "    ... ");
        hak__text_unsigned(&text, depth - FRAMES_SHOWN);
        hak__text_string(&text, " more calls\n");
    }
    hak__text_end(&text);
}

/* The site with the most bytes below a bound; of sites with as many the later ones come first. */
static uint32_t next_site(uint64_t *most, uint32_t *before, struct hak_site *found, uint64_t *frames)
{
    struct hak_site site;
    uint64_t best = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; hak__profile_site(i, &site, frames) != 0; i++) {
        uint64_t bytes = site.in_use.bytes;
        bool below = bytes < *most || (bytes == *most && i < *before);
        if (below && bytes >= best && bytes != 0) {
            best = bytes;
            at = i;
        }
    }
    *most = best;
    *before = at;
    return best != 0 ? hak__profile_site(at, found, frames) : 0;
}

/* The library knows no lines. */
static void say_how_to_see_lines(int fd)
{
    static HAK_SPARSE char path[PATH_MAX];
    struct hak_text text;
    begin_message(&text, fd);
    hak__text_string(&text, "for functions and lines, ");
    if (hak__option(HAK_OPTION_PROFILE_DUMP) == 0)
        hak__text_string(&text, "add profile_dump=FILE to HAKMEM_CONF, run the program again, and ");
    hak__text_string(&text, "use: hakmem profile ");
    if (hak__option(HAK_OPTION_PROFILE_DUMP) != 0 && hak__file_name(hak__options_file, path))
        hak__text_printable(&text, path, strlen(path));
    else
        hak__text_string(&text, "FILE");
    hak__text_string(&text, "\n");
    hak__text_end(&text);
}

void hak__leaks_report(int fd)
{
    struct hak_profile profile;
    struct hak_site site;
    uint64_t frames[HAK_PROFILE_DEPTH], most = UINT64_MAX;
    uint32_t before = 0, depth = 0;
    hak__profile_copy(&profile);
    say_all(fd, &profile);
    unsigned i = 0;
    for (; i < SITES_SHOWN && (depth = next_site(&most, &before, &site, frames)) != 0; i++)
        say_site(fd, &site, frames, depth, profile.longest_interval);
    if (i > 0)
        say_how_to_see_lines(fd);
}
