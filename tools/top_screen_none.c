/* SPDX-License-Identifier: MIT */
#include "top_screen.h"

#include "command.h"

int top_screen(const struct top_request *request)
{
    (void)request;
    command_error("hakmem was built without ncurses, so it has no live table; use --once or --json");
    return COMMAND_FAILED;
}
