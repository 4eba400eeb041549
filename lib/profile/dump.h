/* SPDX-License-Identifier: MIT */
/* The option profile_dump: files with the profile of the process. */
#ifndef HAK_PROFILE_DUMP_H
#define HAK_PROFILE_DUMP_H

/* What is in use when the process exits; under the name of the option. */
void hak__dump_at_exit(void);

/*
 * What was in use at the peak, under that name and ".peak"; called after each sample. Written anew when
 * the peak is higher by a tenth than the one that was written, and not oftener than once a second:
 * whoever is killed for his size leaves the file. At exit it is brought up to date.
 */
void hak__dump_at_peak(void);

/* In the child of a fork: the thread that was writing, if one was, is not there. */
void hak__dump_fork_child(void);

/* What is in use when limit_hard refuses memory for the first time, under that name and ".limit". */
void hak__dump_at_limit(void);

#endif
