/* SPDX-License-Identifier: MIT */
#include "number_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool number_parse(const char *text, uint64_t most, bool suffixes, uint64_t *number)
{
    static const char letters[] = "KMG";
    char *end = NULL;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || errno != 0)
        return false;
    const char *letter = suffixes && *end != '\0' ? strchr(letters, *end) : NULL;
    if (letter != NULL) {
        unsigned shift = 10 * (unsigned)(letter - letters + 1);
        if (*number > UINT64_MAX >> shift)
            return false;
        *number <<= shift;
        end++;
    }
    return *end == '\0' && *number <= most;
}

double number_positive(const char *text, double most)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    bool plain = strspn(text, "0123456789.") == strlen(text);
    return plain && errno == 0 && *end == '\0' && number > 0 && number <= most ? number : 0;
}
