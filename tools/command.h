/* SPDX-License-Identifier: MIT */
/* The hakmem command: its subcommands, and what they share. */
#ifndef HAK_TOOLS_COMMAND_H
#define HAK_TOOLS_COMMAND_H

/* Exit statuses; those from 125 on are run's, as those of env(1). */
enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
    COMMAND_RUN_FAILED = 125,
    COMMAND_NOT_EXECUTABLE = 126,
    COMMAND_NOT_FOUND = 127
};

/* The subcommands: argv[0] is "hakmem NAME"; each returns the exit status. */
int cmd_run(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_heap(int argc, char **argv);
int cmd_leaks(int argc, char **argv);
int cmd_snapshot(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_conf(int argc, char **argv);
int cmd_preload(int argc, char **argv);
int cmd_selftest(int argc, char **argv);
int cmd_bug_report(int argc, char **argv);

/* Writes "hakmem: …" and a line end to standard error. */
__attribute__((format(printf, 1, 2))) void command_error(const char *format, ...);
/* The same with "warning: ". */
__attribute__((format(printf, 1, 2))) void command_warning(const char *format, ...);

/* What output that could not be written makes of a status. */
int command_end_output(int status);

#endif
