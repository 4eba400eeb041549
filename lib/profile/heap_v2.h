/* SPDX-License-Identifier: MIT */
/* The profile as text, in the format heap_v2 of gperftools, which pprof reads. */
#ifndef HAK_PROFILE_HEAP_V2_H
#define HAK_PROFILE_HEAP_V2_H

enum hak_profile_of { HAK_PROFILE_OF_IN_USE, HAK_PROFILE_OF_ALLOCATED, HAK_PROFILE_OF_PEAK };

/*
 * Writes a line for each site: blocks and bytes as the view has them, in brackets those of all
 * allocations; then the mappings of the process. As many as were sampled: whoever reads them scales
 * them by the mean distance, which the first line has. 0, or an errno value. Any thread, no locks held.
 */
int hak__heap_v2_write(int fd, enum hak_profile_of view);

#endif
