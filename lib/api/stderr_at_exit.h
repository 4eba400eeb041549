/* SPDX-License-Identifier: MIT */
/* Standard error for reports at exit. */
#ifndef HAK_API_STDERR_AT_EXIT_H
#define HAK_API_STDERR_AT_EXIT_H

/* As it was at the start if the program has closed it; -1 if there was none, or no option asks for a report. */
int hak__stderr_at_exit(void);

#endif
