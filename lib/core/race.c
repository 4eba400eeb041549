/* SPDX-License-Identifier: MIT */
#include "core/race.h"

#include "base/atomic.h"
#include "os/os.h"

static _Atomic uint64_t passed, paused; /* any thread adds; the first only feeds the hash */

static uint64_t mixed(uint64_t bits)
{
    bits = (bits ^ bits >> 32) * 0xd6e8feb86659fd93u;
    bits = (bits ^ bits >> 32) * 0xd6e8feb86659fd93u;
    return bits ^ bits >> 32;
}

void hak__race_pause(const char *name)
{
    if (!HAK_DEBUG)
        return;
    uint64_t bits = (uint64_t)hak__option(HAK_OPTION_RACE_SEED);
    for (const char *at = name; *at != '\0'; at++)
        bits = bits * 31 + (unsigned char)*at;
    bits = mixed(bits + mixed(hak_add_relaxed(&passed, 1)));
    if (bits % 8 != 0)
        return;
    hak_add_relaxed(&paused, 1);
    if (bits / 8 % 16 == 0)
        hak__os_sleep_us((unsigned)(bits / 128 % 64));
    else
        hak__os_yield();
}

uint64_t hak__race_pauses(void)
{
    return hak_load_relaxed(&paused);
}
