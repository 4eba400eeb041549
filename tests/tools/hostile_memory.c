/* SPDX-License-Identifier: MIT */
/*
 * A process whose memory and threads, not whose statistics (hostile.c), are made to harm who looks at it; it is
 * run with the library preloaded.
 *
 *     space          reserves most of the address space, readable, and has written little of it
 *     stacks         says that its stack is all of a large mapping, and has what looks like thousands of dead ones
 *     vanishing      another process that shares the memory maps and unmaps some of it all the time
 *     threads        each thread starts the next one, and ends
 *     mappings       as many as the system allows
 *     sparse         lost blocks that lead to each other such that few of a slab are reached at a time
 *     elf FOLDER     maps files whose headers lie, of names that do harm; blocks begin with addresses in them
 *     note FOLDER    the same, with a note that says that the library's block is where there is nothing
 *
 * Says "ready" when it is done, or "impossible", and waits.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "api/stats_block.h"

enum { PAGE = 4096, STACKS = 2000, STACK = 1 << 16, VANISHING = 1 << 26, CHAINS = 4, BLOCKS = 1 << 20, VARIANTS = 9 };

static _Noreturn void wait_for_the_end(bool possible)
{
    const char *said = possible ? "ready\n" : "impossible\n";
    if (write(STDOUT_FILENO, said, strlen(said)) < 0)
        _exit(1);
    for (;;)
        pause();
}

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* ---- space ------------------------------------------------------------- */

/* A page at the start and one at the end of each mapping is there. */
static bool take_space(void)
{
    size_t all = 0;
    for (size_t size = (size_t)1 << (sizeof(size_t) == 8 ? 46 : 30); size >= (size_t)1 << 24; size /= 2) {
        char *memory = map(size);
        if (memory == NULL)
            continue;
        memory[0] = memory[size - PAGE] = 1;
        all += size;
    }
    return all >= (size_t)1 << (sizeof(size_t) == 8 ? 44 : 30);
}

/* ---- stacks ------------------------------------------------------------ */

#if defined(__x86_64__) && defined(__LP64__)
static ucontext_t on_stack, before;
static uintptr_t thread; /* where its struct pthread seems to be */

static void wait_on_stack(void)
{
    enum { SET_FS = 0x1002 };
    const char ready[] = "ready\n"; /* from here on nothing of libc's may be used */
    long result, call = SYS_arch_prctl, set = SET_FS;
    __asm__ volatile("syscall" : "=a"(result) : "a"(call), "D"(set), "S"(thread) : "rcx", "r11", "memory");
    call = SYS_write;
    __asm__ volatile("syscall" : "=a"(result) : "a"(call), "D"(1L), "S"(ready), "d"(6L) : "rcx", "r11", "memory");
    for (call = SYS_pause;;)
        __asm__ volatile("syscall" : "=a"(result) : "a"(call) : "rcx", "r11", "memory");
}

/* Each word says that the struct pthread of a thread begins there, and is as large as can be. */
static void make_dead_stacks(void)
{
    for (int i = 0; i < STACKS; i++) {
        uintptr_t *word = map(PAGE + STACK);
        if (word == NULL || mprotect(word, PAGE, PROT_NONE) != 0)
            return;
        for (size_t k = PAGE / sizeof *word; k + 4 <= (PAGE + STACK) / sizeof *word; k += 4)
            word[k] = word[k + 2] = (uintptr_t)&word[k];
    }
}

static char *map_large(size_t *size)
{
    for (*size = (size_t)1 << 45; *size > (size_t)1 << 30; *size /= 2) {
        char *memory = map(*size);
        if (memory != NULL)
            return memory;
    }
    return NULL;
}

static bool prepare_stack(void)
{
    size_t size;
    char *stack = map_large(&size);
    if (stack == NULL)
        return false;
    make_dead_stacks();
    thread = (uintptr_t)stack + size / 2;
    uintptr_t words[] = {(uintptr_t)stack, size, PAGE};
    memcpy((char *)thread + 512, words, sizeof words);
    memcpy((char *)thread, &thread, sizeof thread);
    memcpy((char *)thread + 16, &thread, sizeof thread);
    if (getcontext(&on_stack) != 0)
        return false;
    on_stack.uc_stack.ss_sp = (char *)thread - (1 << 20);
    on_stack.uc_stack.ss_size = 1 << 19;
    makecontext(&on_stack, wait_on_stack, 0);
    return true;
}

static bool lie_about_stacks(void)
{
    if (prepare_stack())
        swapcontext(&before, &on_stack); /* which does not come back, unless it cannot be done */
    return false;
}
#else
static bool lie_about_stacks(void)
{
    return false;
}
#endif

/* ---- what vanishes ----------------------------------------------------- */

static char *vanishing;

/* Shares the memory, and is not stopped with its parent. */
static int unmap_and_map(void *block)
{
    (void)block;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned round = 0;; round++) {
        size_t part = VANISHING / 16, at = round % 16 * part;
        munmap(vanishing + at, part);
        if (mmap(vanishing + at, part, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED)
            _exit(1);
        for (size_t i = 0; i < part; i += PAGE)
            memcpy(vanishing + at + i, &vanishing, sizeof vanishing);
    }
}

/* A block of the library, and memory that leads to others. */
static bool let_vanish(void)
{
    enum { OWN_STACK = 1 << 16 };
    char *stack = map(OWN_STACK);
    vanishing = malloc(VANISHING + PAGE);
    if (stack == NULL || vanishing == NULL)
        return false;
    vanishing += (PAGE - (uintptr_t)vanishing % PAGE) % PAGE;
    return clone(unmap_and_map, stack + OWN_STACK, CLONE_VM | SIGCHLD, NULL) > 0;
}

/* ---- threads ----------------------------------------------------------- */

static void *start_next(void *unused)
{
    pthread_t next;
    (void)unused;
    for (int tries = 0; tries < 1000 && pthread_create(&next, NULL, start_next, NULL) != 0; tries++)
        usleep(1000);
    pthread_detach(pthread_self());
    return NULL;
}

static bool start_chains(void)
{
    pthread_t first;
    for (int i = 0; i < CHAINS; i++)
        if (pthread_create(&first, NULL, start_next, NULL) != 0)
            return false;
    return true;
}

/* ---- mappings ---------------------------------------------------------- */

static bool map_many(void)
{
    char *memory = map((size_t)1 << 28);
    for (size_t i = 0; memory != NULL && i < 1 << 16; i += 2) {
        memory[i * PAGE] = 1;
        if (mprotect(memory + i * PAGE, PAGE, i % 4 == 0 ? PROT_READ : PROT_NONE) != 0)
            break; /* these are all */
    }
    return memory != NULL;
}

/* ---- blocks ------------------------------------------------------------ */

static void *block[BLOCKS];

static int by_address(const void *a, const void *b)
{
    uintptr_t one = *(const uintptr_t *)a, other = *(const uintptr_t *)b;
    return one < other ? -1 : one > other;
}

/*
 * Four blocks that lie far from each other in a slab lead to four in the next one, and so on round all slabs: so few
 * of a slab are reached at a time, and each slab as often as it can be.
 */
static bool lose_sparse_blocks(void)
{
    enum { IN_SLAB = 4096, SLABS = BLOCKS / IN_SLAB, APART = IN_SLAB / 4, QUADS = BLOCKS / 4 };
    for (size_t i = 0; i < BLOCKS; i++)
        if ((block[i] = malloc(2 * sizeof(void *))) == NULL)
            return false;
    qsort(block, BLOCKS, sizeof *block, by_address);
    void **first = malloc(4 * sizeof *first), **from[2] = {first, first + 2};
    for (size_t quad = 0; first != NULL && quad < QUADS; quad++) {
        size_t at = quad % SLABS * IN_SLAB + quad / SLABS;
        from[0][0] = block[at];
        from[0][1] = block[at + APART];
        from[1][0] = block[at + 2 * APART];
        from[1][1] = block[at + 3 * APART];
        from[0] = block[at];
        from[1] = block[at + APART];
    }
    memset(block, 0, sizeof block);
    return first != NULL;
}

/* ---- files ------------------------------------------------------------- */

struct image {
    ElfW(Ehdr) file;
    ElfW(Phdr) segment[4];
    struct {
        ElfW(Nhdr) note;
        char name[16];
        int32_t distance;
    } note;
    char rest[PAGE];
};

static void lie(struct image *image, int variant)
{
    ElfW(Phdr) *load = &image->segment[0], *notes = &image->segment[1];
    image->file.e_phnum = 2;
    image->file.e_phentsize = sizeof image->segment[0];
    image->file.e_phoff = offsetof(struct image, segment);
    memcpy(image->file.e_ident, ELFMAG, SELFMAG);
    image->file.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    image->file.e_ident[EI_DATA] = ELFDATA2LSB;
    image->file.e_ident[EI_VERSION] = EV_CURRENT;
    image->file.e_version = EV_CURRENT;
    image->file.e_type = ET_DYN;
    *load = (ElfW(Phdr)){.p_type = PT_LOAD, .p_memsz = sizeof *image, .p_filesz = sizeof *image, .p_flags = PF_R};
    *notes = (ElfW(Phdr)){.p_type = PT_NOTE, .p_vaddr = offsetof(struct image, note), .p_memsz = sizeof image->note,
                          .p_offset = offsetof(struct image, note), .p_filesz = sizeof image->note};
    image->note.note = (ElfW(Nhdr)){.n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID};
    strcpy(image->note.name, "GNU");
    switch (variant) {
    case 0: image->file.e_phnum = UINT16_MAX; break;
    case 1: image->file.e_phoff = (ElfW(Off))-8; break;
    case 2: load->p_memsz = (ElfW(Xword))-1; break;
    case 3: load->p_vaddr = (ElfW(Addr))1 << (8 * sizeof(void *) - 1), load->p_memsz = load->p_vaddr; break;
    case 4: notes->p_filesz = (ElfW(Xword))-1; break;
    case 5: notes->p_vaddr = (ElfW(Addr))-4096; break;
    case 6: image->note.note.n_namesz = image->note.note.n_descsz = UINT32_MAX; break;
    case 7: image->note.note.n_descsz = 33; break;
    case 8: image->file.e_shoff = 64, image->file.e_shnum = UINT16_MAX, image->file.e_shentsize = 64; break;
    default:
        image->note.note = (ElfW(Nhdr)){.n_namesz = sizeof HAK_STATS_NOTE, .n_descsz = 4, .n_type = HAK_STATS_NOTE_TYPE};
        strcpy(image->note.name, HAK_STATS_NOTE);
        image->note.distance = INT32_MIN;
    }
}

static bool map_file(const char *folder, int variant)
{
    static struct image image;
    char path[300];
    memset(&image, 0xff, sizeof image);
    memset(&image.file, 0, sizeof image.file);
    lie(&image, variant);
    snprintf(path, sizeof path, "%s/\033[2J%d\n%0200d", folder, variant, variant);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
    if (fd < 0 || write(fd, &image, sizeof image) != sizeof image)
        return false;
    const char *memory = mmap(NULL, sizeof image, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    close(fd);
    for (int i = 0; memory != MAP_FAILED && i < 100; i++) { /* blocks that seem to be objects */
        const void **object = malloc((size_t)(16 + 16 * i));
        if (object == NULL)
            return false;
        object[0] = memory + 8 * i;
    }
    return memory != MAP_FAILED;
}

static bool map_files(const char *folder, bool with_note)
{
    for (int i = 0; i < VARIANTS; i++)
        if (!map_file(folder, i))
            return false;
    prctl(PR_SET_NAME, "\033[2Jhostile");
    return !with_note || map_file(folder, VARIANTS);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    void *volatile first = malloc(1); /* the records come with it */
    if (first == NULL)
        return 1;
    if (strcmp(what, "space") == 0)
        wait_for_the_end(take_space());
    if (strcmp(what, "stacks") == 0)
        wait_for_the_end(lie_about_stacks());
    if (strcmp(what, "vanishing") == 0)
        wait_for_the_end(let_vanish());
    if (strcmp(what, "threads") == 0)
        wait_for_the_end(start_chains());
    if (strcmp(what, "mappings") == 0)
        wait_for_the_end(map_many());
    if (strcmp(what, "sparse") == 0)
        wait_for_the_end(lose_sparse_blocks());
    if (argc == 3 && (strcmp(what, "elf") == 0 || strcmp(what, "note") == 0))
        wait_for_the_end(map_files(argv[2], strcmp(what, "note") == 0));
    return 2;
}
