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

enum { SUFFIX_SIZE = 32 };

/* One file is written at a time; the names are the writer's. */
static _Atomic bool writing;
static HAK_SPARSE char path[PATH_MAX + SUFFIX_SIZE], unfinished[PATH_MAX + SUFFIX_SIZE];
static uint64_t peak_written, peak_tenths; /* by the writer */

static bool begin(void)
{
    return !hak_swap_acq_rel(&writing, true);
}

/* Another thread may be writing; one that a signal handler has interrupted is not waited for in vain. */
static bool begin_patiently(void)
{
    enum { TRIES = 1000, PAUSE_US = 1000 };
    bool begun = begin();
    for (int i = 0; i < TRIES && !begun; i++) {
        hak__os_sleep_us(PAUSE_US);
        begun = begin();
    }
    return begun;
}

static void end(void)
{
    hak_store_release(&writing, false);
}

void hak__dump_fork_child(void)
{
    end();
}

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

static int write_to(int fd, enum hak_profile_of view)
{
    if (fd < 0)
        return -fd;
    int error = hak__heap_v2_write(fd, view);
    hak__os_close(fd);
    return error;
}

/* A file is whole or not there: it is written under a name that no other process has, and renamed. */
static int write_whole(enum hak_profile_of view)
{
    struct hak_text name;
    hak__text_begin(&name, -1);
    hak__text_string(&name, ".");
    hak__text_signed(&name, hak__os_process());
    hak__text_string(&name, ".new");
    size_t length = strlen(path);
    memcpy(unfinished, path, length);
    memcpy(unfinished + length, name.bytes, name.used);
    unfinished[length + name.used] = '\0';
    int error = write_to(hak__os_create(unfinished), view);
    if (error == 0)
        error = hak__os_rename(unfinished, path);
    if (error != 0)
        hak__os_unlink(unfinished);
    return error;
}

/* A device or a FIFO stays what it is: it gets what there is at exit, and nothing else does. */
static void write_out(const char *suffix, enum hak_profile_of view)
{
    bool fits = hak__file_name(hak__options_file, path);
    int special = fits ? hak__os_open_special(path) : -ENAMETOOLONG, error = -special;
    if (!fits)
        memcpy(path, hak__options_file, strlen(hak__options_file) + 1);
    if (fits && special != -ENOENT && suffix[0] != '\0') {
        if (special >= 0)
            hak__os_close(special);
        return;
    }
    if (special == -ENOENT) {
        memcpy(path + strlen(path), suffix, strlen(suffix) + 1);
        error = write_whole(view);
    } else if (special >= 0) {
        error = write_to(special, view);
    }
    if (error != 0)
        complain(error);
}

/* A program with more rights than its user writes none. */
static bool is_wanted(void)
{
    return hak__option(HAK_OPTION_PROFILE_DUMP) != 0 && !hak__os_is_secure();
}

static bool is_on(void)
{
    return hak_load_relaxed(&hak__profile.interval) != 0;
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
    write_out(".peak", HAK_PROFILE_OF_PEAK);
}

/* Also of a profiler that was switched off. */
void hak__dump_at_exit(void)
{
    struct hak_profile profile;
    hak__profile_copy(&profile);
    if (!is_wanted() || (!is_on() && profile.began_tenths == 0) || !begin_patiently())
        return;
    write_out("", HAK_PROFILE_OF_IN_USE);
    write_peak(true);
    end();
}

void hak__dump_at_peak(void)
{
    if (hak_likely(hak__option(HAK_OPTION_PROFILE_DUMP) == 0) || !is_wanted() || !is_on() || !begin())
        return;
    write_peak(false);
    end();
}

void hak__dump_at_limit(void)
{
    static bool done; /* by the writer */
    if (!is_wanted() || !is_on() || !begin())
        return;
    if (!done)
        write_out(".limit", HAK_PROFILE_OF_IN_USE);
    done = true;
    end();
}
