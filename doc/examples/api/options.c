/* SPDX-License-Identifier: MIT */
/*
 * options: all that can be set, with type, range, default and value.
 *
 *     cc options.c $(pkg-config --cflags --libs hakmem)
 *
 * HAKMEM_CONF and /etc/hakmem.conf set options before the program begins, hak_option_set while it
 * runs.
 */
#include <hakmem/hakmem.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *name_of(hak_option_type_t type)
{
    switch (type) {
    case HAK_OPTION_TYPE_BOOL:
        return "switch";
    case HAK_OPTION_TYPE_NUMBER:
        return "number";
    case HAK_OPTION_TYPE_SIZE:
        return "size";
    case HAK_OPTION_TYPE_FILE:
        return "file";
    case HAK_OPTION_TYPE_WORD:
        return "word";
    }
    return "of a later version";
}

int main(void)
{
    hak_option_info_t option;
    char value[4096]; /* the longest is a path */

    option.struct_size = sizeof option;
    if (hak_option_set("retain_min", "4M") != 0) {
        perror("retain_min");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; hak_option_info(i, &option) == 0; i++) {
        hak_option_get(option.key, value, sizeof value);
        printf("%s = %s%s\n", option.key, value, option.run_time ? "" : " for good");
        printf("    %s, %" PRId64 " to %" PRId64 ", by default %" PRId64 "\n", name_of(option.type),
               option.minimum, option.maximum, option.default_value);
        printf("    %s\n", option.help);
    }
    return EXIT_SUCCESS;
}
