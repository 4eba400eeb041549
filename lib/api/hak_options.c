/* SPDX-License-Identifier: MIT */
/* Options of the running process; hakmem.h describes the functions. */
#include <errno.h>
#include <hakmem/hakmem.h>
#include <string.h>

#include "core/options.h"
#include "front/front.h"

int hak_option_get(const char *key, char *buffer, size_t size)
{
    hak__init();
    int length = hak__options_get(key, buffer, size);
    if (length < 0)
        errno = ENOENT;
    return length;
}

int hak_option_set(const char *key, const char *value)
{
    hak__init();
    switch (hak__options_set(key, strlen(key), value, strlen(value))) {
    case HAK_OPTION_OK:
        return 0;
    case HAK_OPTION_UNKNOWN:
        errno = ENOENT;
        return -1;
    default:
        break;
    }
    errno = EINVAL;
    return -1;
}
