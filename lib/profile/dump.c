/* SPDX-License-Identifier: MIT */
#include "profile/dump.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "core/file_name.h"
#include "core/options.h"
#include "core/report.h"
#include "os/lock.h"
#include "os/os.h"
#include "profile/heap_v2.h"
#include "profile/tables.h"

enum { SUFFIX_SIZE = 16 };

/* One file is written at a time; the names are the writer's. */
static _Atomic bool writing;
static HAK_SPARSE char path[PATH_MAX + SUFFIX_SIZE], unfinished[PATH_MAX + SUFFIX_SIZE];
static uint64_t peak_written, peak_tenths; /* by the writer */

static void complain(int error)
{
    struct hak_text text;
    hak__text_message(&text);
    hak__text_string(&text, "cannot write the heap profile to ");
    hak__text_printable(&text, path, strlen(path));
    hak__text_string(&text, " (error ");
    hak__text_signed(&text, error);
    hak__text_string(&text, ")\n");
    hak__text_end(&text);
}

static int write_file(enum hak_profile_of view)
{
    int fd = hak__os_create(unfinished);
    if (fd < 0)
        return -fd;
    int error = hak__heap_v2_write(fd, view);
    hak__os_close(fd);
    return error == 0 && !hak__os_rename(unfinished, path) ? EIO : error;
}

/* A file is whole or not there: it is written under another name. A program with more rights writes none. */
static void write_whole(const char *suffix, enum hak_profile_of view)
{
    if (!hak__file_name(hak__options_file, path)) {
        memcpy(path, hak__options_file, strlen(hak__options_file) + 1);
        complain(ENAMETOOLONG);
        return;
    }
    memcpy(path + strlen(path), suffix, strlen(suffix) + 1);
    size_t length = strlen(path);
    memcpy(unfinished, path, length);
    memcpy(unfinished + length, ".new", sizeof ".new");
    int error = write_file(view);
    if (error != 0)
        complain(error);
}

static bool is_wanted(void)
{
    return hak__option(HAK_OPTION_PROFILE_DUMP) != 0 && hak_load_relaxed(&hak__profile.interval) != 0 &&
           !hak__os_is_secure();
}

/* At exit the last peak is written, however near to the one before it was. */
static void write_peak(bool at_exit)
{
    enum { PART = 10, TENTHS = 10 };
    struct hak_profile profile;
    hak__profile_copy(&profile);
    bool is_due = profile.at_peak.bytes >= peak_written + peak_written / PART &&
                  profile.peak_tenths >= peak_tenths + TENTHS;
    if (profile.at_peak.bytes <= peak_written || !(is_due || at_exit))
        return;
    peak_written = profile.at_peak.bytes;
    peak_tenths = profile.peak_tenths;
    write_whole(".peak", HAK_PROFILE_OF_PEAK);
}

void hak__dump_at_exit(void)
{
    if (!is_wanted() || hak_swap_acq_rel(&writing, true))
        return;
    write_whole("", HAK_PROFILE_OF_IN_USE);
    write_peak(true);
    hak_store_release(&writing, false);
}

void hak__dump_at_peak(void)
{
    if (hak_likely(hak__option(HAK_OPTION_PROFILE_DUMP) == 0) || !is_wanted() || hak_swap_acq_rel(&writing, true))
        return;
    write_peak(false);
    hak_store_release(&writing, false);
}

void hak__dump_at_limit(void)
{
    static _Atomic bool done;
    if (!is_wanted() || hak_swap_acq_rel(&done, true) || hak_swap_acq_rel(&writing, true))
        return;
    write_whole(".limit", HAK_PROFILE_OF_IN_USE);
    hak_store_release(&writing, false);
}
