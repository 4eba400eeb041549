/* SPDX-License-Identifier: MIT */
#include "harden/harden.h"

#include "core/options.h"
#include "os/os.h"

HAK_READ_MOSTLY struct hak_harden hak__harden;

void hak__harden_start(void)
{
    hak__harden.secret = hak__os_random();
    hak__harden_options();
}

void hak__harden_options(void)
{
    bool canary = hak__option(HAK_OPTION_HARDEN_CANARY) != 0, zero = hak__option(HAK_OPTION_HARDEN_ZERO) != 0;
    hak__harden.canary = canary;
    hak__harden.zero = zero;
    hak__harden.random = hak__option(HAK_OPTION_HARDEN_RANDOM) != 0;
    hak__harden.zero_size = hak__option(HAK_OPTION_HARDEN_ZERO_SIZE) != 0;
    hak__harden.rests = (size_t)hak__option(HAK_OPTION_HARDEN_QUARANTINE);
    hak__harden.large_rests = (size_t)hak__option(HAK_OPTION_HARDEN_QUARANTINE_LARGE);
    hak__harden.verified = zero ? (size_t)hak__option(HAK_OPTION_HARDEN_VERIFY) & ~(size_t)15 : 0;
    hak__harden.trailer_bits = ~HAK_TRAILER_SLACK;
    if (hak__option(HAK_OPTION_HARDEN_MISMATCH) == 0)
        hak__harden_forget_kinds();
}

void hak__harden_forget_kinds(void)
{
    hak__harden.trailer_bits &= ~HAK_TRAILER_KIND;
}
