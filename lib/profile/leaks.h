/* SPDX-License-Identifier: MIT */
/* The option leaks: what is in use at exit, by the calls that allocated it. */
#ifndef HAK_PROFILE_LEAKS_H
#define HAK_PROFILE_LEAKS_H

/* Samples are taken at this mean distance where the option is on and profile is not. */
enum { HAK_LEAKS_INTERVAL = 64 << 10 };

/* Writes the report to a file. For one thread at a time. */
void hak__leaks_report(int fd);

#endif
