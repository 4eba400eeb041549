/* SPDX-License-Identifier: MIT */
/* Options of the running process; hakmem.h describes the functions. */
#include <hakmem/hakmem.h>

#include "api/sized.h"
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
    int option = hak__options_find(key);
    if (option >= 0 && hak__option_rows[option].when == HAK_OPTION_WHEN_START) {
        errno = EPERM;
        return -1;
    }
    const struct hak_setting setting = {
        .key = key, .value = value, .key_length = strlen(key), .value_length = strlen(value)};
    /* a program that sets what only some builds use runs on all */
    switch (hak__options_set(&setting, HAK_FEATURES_ALL)) {
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

int hak_option_info(size_t index, hak_option_info_t *info)
{
    static const hak_option_type_t type[] = {[HAK_OPTION_KIND_BOOL] = HAK_OPTION_TYPE_BOOL,
                                             [HAK_OPTION_KIND_NUMBER] = HAK_OPTION_TYPE_NUMBER,
                                             [HAK_OPTION_KIND_SIZE] = HAK_OPTION_TYPE_SIZE,
                                             [HAK_OPTION_KIND_STATS] = HAK_OPTION_TYPE_WORD,
                                             [HAK_OPTION_KIND_BACKGROUND] = HAK_OPTION_TYPE_WORD,
                                             [HAK_OPTION_KIND_FILE] = HAK_OPTION_TYPE_FILE};
    hak__init();
    if (!hak__sized_is_known(info->struct_size, sizeof *info))
        return -1;
    if (index >= HAK_OPTION_COUNT) {
        errno = ENOENT;
        return -1;
    }
    const struct hak_option_row *row = &hak__option_rows[index];
    const hak_option_info_t found = {.key = row->key,
                                     .type = type[row->kind],
                                     .minimum = row->minimum,
                                     .maximum = row->maximum,
                                     .default_value = row->initial,
                                     .value = hak__option((enum hak_option)index),
                                     .run_time = row->when != HAK_OPTION_WHEN_START,
                                     .help = row->help};
    hak__sized_fill(info, info->struct_size, &found, sizeof found);
    return 0;
}
