/* SPDX-License-Identifier: MIT */
#include "number_text.h"

#include <errno.h>
#include <stdio.h>
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

/* bytes >= 0 */
static struct number_text with_unit(const char *sign, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    struct number_text made;
    unsigned unit = 0;
    while (bytes >= 1023.95 && unit < sizeof units / sizeof units[0] - 1) {
        bytes /= 1024;
        unit++;
    }
    snprintf(made.text, sizeof made.text, "%s%.*f %s", sign, unit > 0 ? 1 : 0, bytes, units[unit]);
    return made;
}

struct number_text number_bytes(double bytes)
{
    return bytes < 0 ? with_unit("-", -bytes) : with_unit("", bytes);
}

struct number_text number_bytes_change(double bytes)
{
    return bytes < 0 ? with_unit("-", -bytes) : with_unit("+", bytes);
}

static const double MIB = 1 << 20, GIB = 1 << 30;

static bool is_large(double bytes)
{
    return bytes >= 10 * GIB || bytes <= -10 * GIB;
}

struct number_text number_mib_with_unit(double bytes)
{
    struct number_text made;
    bool large = is_large(bytes);
    snprintf(made.text, sizeof made.text, "%.2f %s", bytes / (large ? GIB : MIB), large ? "GiB" : "MiB");
    return made;
}

struct number_text number_mib(double bytes)
{
    struct number_text made = {"<0.01"};
    if (is_large(bytes))
        return number_mib_with_unit(bytes);
    if (bytes <= 0 || bytes >= MIB / 200)
        snprintf(made.text, sizeof made.text, "%.2f", bytes / MIB);
    return made;
}
