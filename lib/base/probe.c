/* SPDX-License-Identifier: MIT */
#include "base/probe.h"

/* Named by notes as well, which the compiler does not see. */
__attribute__((used, section(".probes"))) _Atomic uint16_t hak__probe_listeners[HAK_PROBE_COUNT];

#if HAK_PROBES
/*
 * The base is weak, so that the first one in a program is that of all notes, and the section begins
 * with it. Linkers that drop what is not used do not look at notes: .probes refers to it for them.
 */
__asm__(".pushsection .stapsdt.base, \"a\", %progbits\n"
        "\t.weak _.stapsdt.base\n"
        "\t.hidden _.stapsdt.base\n"
        "_.stapsdt.base:\n"
        "\t.space 1\n"
        "\t.size _.stapsdt.base, 1\n"
        "\t.popsection\n"
        "\t.pushsection .probes, \"aw\", %progbits\n"
        "\t.reloc ., BFD_RELOC_NONE, _.stapsdt.base\n"
        "\t.popsection");
#endif
