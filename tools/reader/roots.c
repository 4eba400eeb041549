/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "reader/roots.h"

#include <assert.h>
#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

enum {
    RED_ZONE = 128,       /* below the stack pointer, which leaf functions use */
    REGISTERS = 4096,     /* words, of all sets together: far more than there are */
    TLS_NEAR = 4096,      /* bytes beside the thread pointer in which struct pthread has what is looked for */
    STACK_LEAST = 16384,  /* PTHREAD_STACK_MIN; there are larger ones */
    GUARD_UNIT = 4096,    /* the least size of a page: a guard has whole ones */
    TOP = 1 << 15,        /* bytes of a stack's top in which a dead thread's struct pthread is, mostly */
    STACK_MOST = 1 << 28, /* bytes of a mapping in which it is searched */
    LOOKS_MOST = 1 << 17, /* at words that say who they are, as those of struct pthread do */
    PART = 1 << 18        /* bytes that are read at once */
};

/* ---- registers --------------------------------------------------------- */

#if defined(__x86_64__)
static const int sets[] = {NT_PRSTATUS, NT_X86_XSTATE};
static void describe(const void *registers, struct roots_thread *thread)
{
    struct user_regs_struct general;
    memcpy(&general, registers, sizeof general);
    *thread = (struct roots_thread){.sp = (uintptr_t)general.rsp, .tls = (uintptr_t)general.fs_base};
    if ((long long)general.orig_rax >= 0)
        thread->pc = (uintptr_t)general.rip;
}
#elif defined(__aarch64__)
static const int sets[] = {NT_PRSTATUS, NT_FPREGSET};
static void describe(const void *registers, struct roots_thread *thread)
{
    struct user_regs_struct general;
    memcpy(&general, registers, sizeof general);
    *thread = (struct roots_thread){.sp = (uintptr_t)general.sp};
}
#else
static const int sets[] = {NT_PRSTATUS, NT_FPREGSET};
static void describe(const void *registers, struct roots_thread *thread)
{
    (void)registers;
    *thread = (struct roots_thread){0};
}
#endif

const char *roots_register(size_t word)
{
#if defined(__x86_64__) && defined(__LP64__)
    static const char *const names[] = {"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9",
                                        "r8",  "rax", "rcx", "rdx", "rsi", "rdi", NULL,  "rip"};
    static_assert(offsetof(struct user_regs_struct, rip) == 16 * sizeof(uintptr_t), "the order of the names");
    return word < sizeof names / sizeof *names ? names[word] : NULL;
#else
    (void)word;
    return NULL;
#endif
}

/* What the general registers do not tell there. */
static void ask_more(pid_t id, struct roots_thread *thread, const uintptr_t *words)
{
#if defined(__aarch64__)
    struct user_regs_struct general;
    int number = -1;
    struct iovec tls = {&thread->tls, sizeof thread->tls}, call = {&number, sizeof number};
    if (ptrace(PTRACE_GETREGSET, id, (void *)(uintptr_t)NT_ARM_TLS, &tls) != 0)
        thread->tls = 0;
    memcpy(&general, words, sizeof general);
    if (ptrace(PTRACE_GETREGSET, id, (void *)(uintptr_t)NT_ARM_SYSTEM_CALL, &call) == 0 && number >= 0)
        thread->pc = (uintptr_t)general.pc;
#else
    (void)id;
    (void)thread;
    (void)words;
#endif
}

/* Moves to the front what of the vector registers calls preserve; how many words that is. */
static size_t sort_vectors(uintptr_t *words, size_t count)
{
#if defined(__aarch64__)
    enum { KEPT = 8, FIRST = 2 * 8 }; /* the lower halves of v8 to v15 */
    for (size_t i = 0; i < KEPT && FIRST + 2 * KEPT <= count; i++) {
        uintptr_t kept = words[FIRST + 2 * i];
        words[FIRST + 2 * i] = words[i];
        words[i] = kept;
    }
    return count < KEPT ? count : KEPT;
#else
    (void)words;
    (void)count;
    return 0;
#endif
}

/* False when the thread cannot be asked. */
static bool read_registers(pid_t id, uintptr_t *words, struct roots_thread *thread)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct iovec vector = {words + count, (REGISTERS - count) * sizeof *words};
        if (ptrace(PTRACE_GETREGSET, id, (void *)(uintptr_t)sets[i], &vector) != 0) {
            if (i == 0)
                return false;
            continue; /* a processor without such ones */
        }
        size_t got = vector.iov_len / sizeof *words;
        if (i == 0) {
            describe(words, thread);
            ask_more(id, thread, words);
            thread->general = got;
        } else {
            thread->general += sort_vectors(words + count, got);
        }
        count += got;
    }
    thread->count = count;
    return true;
}

static bool add_thread(struct roots_threads *threads, const struct roots_thread *thread, const uintptr_t *words)
{
    struct roots_thread *more = reallocarray(threads->thread, threads->count + 1, sizeof *more);
    if (more == NULL)
        return false;
    threads->thread = more;
    uintptr_t *copy = malloc(thread->count * sizeof *words);
    if (copy == NULL)
        return false;
    memcpy(copy, words, thread->count * sizeof *words);
    more[threads->count] = *thread;
    more[threads->count++].words = copy;
    return true;
}

bool roots_add_thread(struct roots_threads *threads, pid_t id)
{
    static uintptr_t words[REGISTERS];
    struct roots_thread thread = {0};
    if (read_registers(id, words, &thread)) {
        thread.id = id;
        return add_thread(threads, &thread, words);
    }
    threads->unread++;
    return true;
}

bool roots_add_registers(struct roots_threads *threads, const void *registers, size_t size)
{
    uintptr_t words[128] = {0}; /* more than a processor has */
    struct roots_thread thread;
    if (size > sizeof words) {
        threads->unread++;
        return true;
    }
    memcpy(words, registers, size);
    describe(words, &thread);
    thread.general = thread.count = size / sizeof *words;
    return add_thread(threads, &thread, words);
}

bool roots_add_words(struct roots_threads *threads, const void *words, size_t size)
{
    if (threads->count == 0 || size / sizeof(uintptr_t) > REGISTERS)
        return true;
    struct roots_thread *last = &threads->thread[threads->count - 1];
    size_t count = size / sizeof *last->words;
    if (last->count > REGISTERS)
        return true;
    uintptr_t *more = reallocarray(last->words, last->count + count + 1, sizeof *more);
    if (more == NULL)
        return false;
    memcpy(more + last->count, words, count * sizeof *more);
    last->words = more;
    last->count += count;
    return true;
}

void roots_free_threads(struct roots_threads *threads)
{
    for (size_t i = 0; i < threads->count; i++)
        free(threads->thread[i].words);
    free(threads->thread);
    *threads = (struct roots_threads){0};
}

/* ---- stacks ------------------------------------------------------------ */

struct block {
    uintptr_t start; /* of what is used */
    uintptr_t guard; /* bytes below that; 0: none, or the program has mapped the stack itself */
};

/* Where struct pthread lies, with regard to the thread pointer. */
#if defined(__x86_64__)
enum { BELOW = 0, ABOVE = TLS_NEAR };
#else
enum { BELOW = TLS_NEAR, ABOVE = 0 };
#endif

/*
 * Whether words of struct pthread tell the stack: its start, its size and that of its guard stand there in
 * this order, as glibc has them. The numbers are believed only if they fit what is mapped. The stack is in use at
 * `inside`, and has the struct.
 */
static bool find_block(const uintptr_t *word, size_t count, uintptr_t inside, uintptr_t own,
                       const struct reader_mapping *mapping, struct block *found)
{
    for (size_t i = 0; i + 2 < count; i++) {
        uintptr_t block = word[i], size = word[i + 1], guard = word[i + 2];
        if (block == 0 || block % 16 != 0 || block > inside || size < STACK_LEAST || size > mapping->end - block ||
            own - block >= size || guard >= size || guard % GUARD_UNIT != 0 || inside - block < guard)
            continue;
        *found = (struct block){.start = block + guard, .guard = guard};
        return found->start >= mapping->start;
    }
    return false;
}

static bool note(struct roots *roots, uintptr_t start, uintptr_t end)
{
    return start >= end || ranges_add(&roots->none, start, end);
}

/* Of the first thread all of the mapping below is dead; of others what belongs to their stack. */
static bool note_dead(struct roots *roots, const struct roots_thread *thread)
{
    uintptr_t words[TLS_NEAR / sizeof(uintptr_t)];
    struct block block;
    const struct reader_mapping *stack = mappings_find(&roots->mappings, thread->sp);
    if (stack == NULL || thread->sp < RED_ZONE)
        return true;
    if (stack->is_stack)
        return note(roots, stack->start, thread->sp - RED_ZONE);
    uintptr_t from = thread->tls & ~(uintptr_t)7;
    if (from < stack->start || from >= stack->end)
        return true;
    uintptr_t first = from - stack->start > BELOW ? from - BELOW : stack->start;
    uintptr_t last = stack->end - from > ABOVE ? from + ABOVE : stack->end;
    if (thread->sp > from || !remote_read(roots->memory, first, words, last - first) ||
        !find_block(words, (last - first) / sizeof *words, thread->sp, from, stack, &block))
        return true;
    return note(roots, block.start, thread->sp - RED_ZONE);
}

#if defined(__x86_64__)
/*
 * The stack of a thread that has ended, which glibc keeps for the next one. Its struct pthread says that it is its
 * own, where the stack begins, and no thread has it. The kernel may have joined the stack with memory above it.
 * A stack without a guard of glibc's may be the program's own, which can use it for anything afterwards.
 *
 *     [ guard | stack                | TLS, struct pthread ][ other memory ]
 *             start                        own                              end of the mapping
 */
struct dead_stack {
    struct roots *roots;
    const struct reader_mapping *mapping;
    uintptr_t guard; /* where it begins, or what lies below it */
    uintptr_t own;   /* 0: not found */
};

static bool is_pthread(const struct dead_stack *stack, uintptr_t own)
{
    uintptr_t words[TLS_NEAR / sizeof(uintptr_t)];
    struct block block;
    const struct reader_mapping *mapping = stack->mapping;
    uintptr_t size = mapping->end - own < TLS_NEAR ? mapping->end - own : TLS_NEAR;
    return remote_read(stack->roots->memory, own, words, size) &&
           find_block(words, size / sizeof *words, own, own, mapping, &block) && block.start == mapping->start &&
           block.guard != 0 && block.guard <= mapping->start - stack->guard;
}

/* In whole pages; the struct is aligned, so that it says who it is in one of them. */
static void find_pthread(uintptr_t start, uintptr_t end, void *context)
{
    enum { ALIGNMENT = 32 / sizeof(uintptr_t) };
    struct dead_stack *stack = context;
    uintptr_t words[TOP / sizeof(uintptr_t)];
    for (uintptr_t size; start < end && stack->own == 0; start += size) {
        size = end - start < TOP ? end - start : TOP;
        if (!remote_read(stack->roots->memory, start, words, size))
            continue;
        for (size_t i = 0; i + 2 < size / sizeof *words && stack->own == 0; i += ALIGNMENT) {
            uintptr_t own = start + i * sizeof *words;
            if (words[i] == own && words[i + 2] == own && stack->roots->looks++ < LOOKS_MOST && is_pthread(stack, own))
                stack->own = own;
        }
    }
}

static bool note_dead_stack(struct roots *roots, const struct roots_threads *threads,
                            const struct reader_mapping *mapping, uintptr_t guard)
{
    struct dead_stack stack = {.roots = roots, .mapping = mapping, .guard = guard};
    uintptr_t size = mapping->end - mapping->start, most = size < STACK_MOST ? size : STACK_MOST;
    find_pthread(mapping->end - (size < TOP ? size : TOP), mapping->end, &stack);
    if (stack.own == 0)
        mappings_present(&roots->mappings, mapping->start, mapping->start + most, true, find_pthread, &stack);
    for (size_t i = 0; i < threads->count; i++)
        if (threads->thread[i].tls == stack.own)
            return true;
    return stack.own == 0 || note(roots, mapping->start, stack.own);
}

static bool note_dead_stacks(struct roots *roots, const struct roots_threads *threads)
{
    const struct reader_mappings *mappings = &roots->mappings;
    bool noted = true;
    for (size_t i = 1; noted && i < mappings->count; i++) {
        const struct reader_mapping *mapping = &mappings->mapping[i], *guard = mapping - 1;
        if (guard->end == mapping->start && !guard->readable && !guard->writable && mapping->writable &&
            mapping->inode == 0 && !mapping->shared && mapping->end - mapping->start >= 4096)
            noted = note_dead_stack(roots, threads, mapping, guard->start);
    }
    return noted;
}
#else
static bool note_dead_stacks(struct roots *roots, const struct roots_threads *threads)
{
    (void)roots;
    (void)threads;
    return true;
}
#endif

/*
 * By all calling conventions that these are, a function may leave anything in vector registers that calls do not
 * preserve: what a thread has there while it is in a system call that a function of the C library makes is left from
 * earlier work, and would hide leaks. It is a root in all other threads: those that were stopped between two
 * instructions of their own, and those that make a system call by an instruction within some other code, where the
 * compiler may keep values in vector registers, which the kernel preserves.
 */
static size_t count_roots(const struct roots *roots, const struct roots_thread *thread)
{
    const struct reader_mapping *code = thread->pc != 0 ? mappings_find(&roots->mappings, thread->pc) : NULL;
    return thread->is_in_libc || (code != NULL && code->is_libc) ? thread->general : thread->count;
}

bool roots_read_threads(struct roots *roots, const struct roots_threads *threads, roots_visit *visit, void *context)
{
    bool noted = true;
    for (size_t i = 0; noted && i < threads->count; i++) {
        roots->at = 0;
        roots->thread = i;
        visit(threads->thread[i].words, count_roots(roots, &threads->thread[i]), context);
        noted = note_dead(roots, &threads->thread[i]);
    }
    /* the stack of a thread whose registers are not known may not be taken for a dead one */
    return noted && (threads->unread != 0 || note_dead_stacks(roots, threads));
}

/* ---- memory ------------------------------------------------------------ */

struct reading {
    struct roots *roots;
    bool own; /* only pages that are in no file */
    roots_visit *visit;
    void *context;
    uintptr_t part[PART / sizeof(uintptr_t)];
};

/* What cannot be read at once is read by page: some of it was unmapped, or is no memory. */
static void read_part(uintptr_t start, uintptr_t end, void *context)
{
    struct reading *reading = context;
    struct roots *roots = reading->roots;
    size_t page = roots->mappings.page_size;
    start = (start + sizeof(uintptr_t) - 1) & ~(uintptr_t)(sizeof(uintptr_t) - 1);
    for (size_t size; start < end; start += size) {
        size = end - start < PART ? end - start : PART;
        if (!remote_read(roots->memory, start, reading->part, size)) {
            size = size < page ? size : page;
            if (!remote_read(roots->memory, start, reading->part, size))
                continue;
        }
        roots->bytes += size;
        roots->at = start;
        reading->visit(reading->part, size / sizeof(uintptr_t), reading->context);
    }
}

static void read_between(uintptr_t start, uintptr_t end, void *context)
{
    const struct reading *reading = context;
    mappings_present(&reading->roots->mappings, start, end, reading->own, read_part, context);
}

bool roots_read_memory(struct roots *roots, roots_visit *visit, void *context)
{
    struct reading *reading = malloc(sizeof *reading);
    if (reading == NULL)
        return false;
    reading->roots = roots;
    reading->visit = visit;
    reading->context = context;
    ranges_sort(&roots->none);
    for (size_t i = 0; i < roots->mappings.count; i++) {
        const struct reader_mapping *mapping = &roots->mappings.mapping[i];
        if (!mapping->readable || mapping->is_device || (mapping->shared && !mapping->writable))
            continue;
        reading->own = !mapping->shared;
        ranges_between(&roots->none, mapping->start, mapping->end, read_between, reading);
    }
    free(reading);
    return true;
}
