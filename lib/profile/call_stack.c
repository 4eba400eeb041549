/* SPDX-License-Identifier: MIT */
#include "profile/call_stack.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

#include "os/call.h"
#include "profile/unwind.h"

/*
 * Where the file begins of which this is a part, by the linker. The same under a name that the library's
 * own file alone has, from its link (lib/Makemodule.am): archives have none.
 */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char hak__own_file[] __attribute__((weak, visibility("hidden")));

/* Whether a place is in the code of the library's own file. */
static bool is_own(uintptr_t pc)
{
    const ElfW(Ehdr) *file = (const void *)__ehdr_start;
    if (hak__own_file == NULL)
        return false;
    const ElfW(Phdr) *segment = (const void *)(__ehdr_start + file->e_phoff);
    uintptr_t offset = pc - (uintptr_t)file;
    for (unsigned i = 0; i < file->e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && (segment[i].p_flags & PF_X) != 0 &&
            offset - segment[i].p_vaddr < segment[i].p_memsz)
            return true;
    return false;
}

/*
 * What a signal has interrupted is told as if it had called, too. A static program allocates before the C
 * library knows its tables (_dl_find_object); where the library is a file of its own, ld.so has begun first.
 */
uint32_t hak__call_stack(const struct hak_registers *from, uint64_t *frames, uint32_t most)
{
    struct hak_walk walk;
    uint32_t count = 0;
    bool begun = hak__own_file != NULL || hak__libc_is_ready();
    bool more = begun && hak__register_is_known(from, HAK_REGISTER_PC);
    for (hak__walk_begin(&walk, from); more && count < most; more = hak__walk_step(&walk)) {
        uintptr_t pc = walk.registers.value[HAK_REGISTER_PC];
        if (count > 0 || !is_own(pc))
            frames[count++] = pc + !walk.is_return;
    }
    if (count == 0)
        frames[count++] = 0;
    return count;
}
