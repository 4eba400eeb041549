/* SPDX-License-Identifier: MIT */
/* Nothing of the C++ runtime but what catches: a static program has no more of it. */
#include <cstdint>
#include <cstdio>
#include <new>

int main()
{
    volatile size_t size = PTRDIFF_MAX - 100;
    int caught = 0;
    for (int i = 0; i < 3; i++)
        try {
            char *volatile block = new char[size];
            (void)block;
        } catch (const std::bad_alloc &error) {
            std::puts(error.what());
            caught++;
        }
    return caught == 3 ? 0 : 1;
}
