/* SPDX-License-Identifier: MIT */
#include "core/file_name.h"

#include <string.h>

#include "core/report.h"
#include "os/os.h"

bool hak__file_name(const char *pattern, char path[PATH_MAX])
{
    struct hak_text number;
    size_t used = 0;
    hak__text_begin(&number, -1);
    hak__text_signed(&number, hak__os_process());
    for (; *pattern != '\0'; pattern++) {
        const char *part = pattern;
        size_t size = 1;
        if (pattern[0] == '%' && pattern[1] == 'p') {
            part = number.bytes, size = number.used;
            pattern++;
        } else if (pattern[0] == '%' && pattern[1] == 'n') {
            part = hak__os_program_name(), size = strlen(part);
            pattern++;
        } else if (pattern[0] == '%' && pattern[1] == '%') {
            pattern++;
        }
        if (size >= PATH_MAX - used)
            return false;
        memcpy(path + used, part, size);
        used += size;
    }
    path[used] = '\0';
    return true;
}
