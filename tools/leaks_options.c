/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "leaks_options.h"

#include <limits.h>

#include "command.h"
#include "number_text.h"
#include "suppressions.h"

enum { DUMP_MOST = 512 };

bool leaks_take_option(struct leaks_options *options, int option, const char *argument)
{
    uint64_t number = 0;
    switch (option) {
    case LEAKS_BLOCKS:
        options->request.list = true;
        return true;
    case LEAKS_OPTION_ROWS:
        if (!number_parse(argument, INT_MAX, false, &number)) {
            command_error("invalid argument '%s' of --rows (allowed: a number; 0 shows all rows)", argument);
            return false;
        }
        options->rows = (size_t)number;
        return true;
    case LEAKS_DUMP:
        if (!number_parse(argument, DUMP_MOST, false, &number) || number == 0) {
            command_error("invalid argument '%s' of --dump (allowed: 1 to %d words)", argument, DUMP_MOST);
            return false;
        }
        options->request.dump = (size_t)number;
        return true;
    default:
        options->suppressions_file = argument;
        return true;
    }
}

bool leaks_read_suppressions(struct leaks_options *options)
{
    if (options->suppressions_file != NULL)
        options->suppressions = suppressions_read(options->suppressions_file);
    return options->suppressions_file == NULL || options->suppressions != NULL;
}

int leaks_show(FILE *out, struct leaks *leaks, const struct leaks_options *options)
{
    if (!leaks_find_names(leaks, options->suppressions))
        return -1;
    if (options->json)
        leaks_write_json(out, leaks);
    else
        leaks_write_text(out, leaks, options->rows);
    return leaks->direct.blocks + leaks->indirect.blocks != 0;
}
