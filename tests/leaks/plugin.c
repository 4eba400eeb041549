/* SPDX-License-Identifier: MIT */
/* A library that is loaded and unloaded, and keeps pointers. */
static void *volatile kept;
static __thread void *volatile kept_in_thread;

void plugin_keep(void *pointer);
void plugin_keep_in_thread(void *pointer);

void plugin_keep(void *pointer)
{
    kept = pointer;
}

void plugin_keep_in_thread(void *pointer)
{
    kept_in_thread = pointer;
    (void)kept;
}
