#!/bin/sh
# SPDX-License-Identifier: MIT
# gdb: itself on the library, and debugging a program that is.
. "$(dirname "$0")/common.sh"
packages='gdb gcc libc6-dev'
about='break points, backtraces, calls of malloc from the debugger, threads, a fork, a core'

work() {
    cat > victim.c << 'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
struct node { struct node *next; char text[40]; };
static struct node *list;
__attribute__((noinline)) void reached(int n) { __asm__ volatile("" ::"r"(n)); }
static void *worker(void *n)
{
    for (long i = 0; i < 3000; i++)
        free(malloc((size_t)(i + 1) * (size_t)(long)n));
    return n;
}
int main(void)
{
    pthread_t thread[3];
    for (long i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, worker, (void *)(i + 1));
    for (int i = 0; i < 50; i++) {
        struct node *node = malloc(sizeof *node);
        snprintf(node->text, sizeof node->text, "node %d", i);
        node->next = list;
        list = node;
    }
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    reached(1);
    if (fork() == 0)
        _exit(3);
    int status;
    wait(&status);
    printf("child %d\n", WEXITSTATUS(status));
    reached(2);
    abort();
}
END
    cat > commands << 'END'
set confirm off
set pagination off
set debuginfod enabled off
set startup-with-shell off
break reached
run
backtrace
up
print list->text
print list->next->next->text
print (char *)strcpy((char *)malloc(30), "by the debugger")
call (void)free(malloc(100000))
info proc mappings
info threads
continue
finish
print status
continue
backtrace -1
generate-core-file tmp/core
kill
END
    gcc -g -O1 -pthread -o victim victim.c
    under gdb -nx -batch -x commands victim > gdb.log 2>&1
    # addresses and numbers of processes are others each time
    sed -n -e 's/0x[0-9a-f]*/ADDRESS/g' -e 's/LWP [0-9]*/LWP/g' -e '/^\$/p' -e '/^child/p' -e '/hit Break/p' \
        -e '/^#[0-9]*  *\(reached\|main\|0x\)/p' -e '/SIGABRT/p' -e '/Saved corefile/p' gdb.log >> result
    mkdir -p tmp
    under gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'frame function main' -ex 'print list->text' \
        -ex 'print list->next->text' victim tmp/core > core.log 2>&1
    grep '^\$' core.log >> result
    under gdb -nx -batch -ex 'python print(open("/proc/self/maps").read())' > maps.log 2>&1
    mapped_text maps.log # gdb's own
    mapped_text gdb.log  # those of the program in it
}
suite "$@"
