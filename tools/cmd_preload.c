/* SPDX-License-Identifier: MIT */
/* hakmem preload: the library under every program of a machine. */
#include "command.h"

int cmd_preload(int argc, char **argv)
{
    (void)argc;
    command_error("%s: not there yet", argv[0]);
    return COMMAND_FAILED;
}
