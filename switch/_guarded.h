/* Guarded memory for what malloc gives out to one thread.
 *
 * OpenSSL keeps a cipher's key schedule in memory from malloc, and has no way to say where.  glibc gives each thread
 * an arena, so contexts are made by a thread of their own, which does nothing else and never ends: what it allocates
 * lies in its arena, and that is locked and left out of core dumps.  Contexts may be used and freed by any thread; a
 * new key for the same cipher stays in the same memory.
 *
 * glibc shares arenas out when there are many threads (8 for each core).  So guard_start, called when the module is
 * loaded, raises that bound before it is used for the first time, and takes the arena at once.
 *
 * It is not wiped in forked children (MADV_WIPEONFORK): what a thread has freed of an arena that same thread may get
 * again for other things, and a child would find zeros in them before it reaches its exec.
 *
 * With AddressSanitizer malloc has no arenas: then nothing is guarded.
 */
#ifndef CARDSWITCH_GUARDED_H
#define CARDSWITCH_GUARDED_H

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    GUARD_HEAP_BYTES = 64 << 20,       /* glibc's heaps of arenas begin at multiples of it, and are no longer */
    GUARD_ARENAS_MAX = 4096,           /* more than a switch has threads: nobody shares ours */
    GUARD_BYTES_MAX = 4 << 20,         /* half of the 8 MiB that may be locked by default: some thousand keys */
    GUARD_UNREADABLE = -1,             /* the mappings of this process cannot be read */
    GUARD_NOT_LOCKED = -2,
    GUARD_NOT_KEPT_OUT = -3,           /* of core dumps */
    GUARD_NO_ARENA = -4,               /* the thread shares the main arena, or an arena too large to lock */
    GUARD_NO_THREAD = -5,
};

typedef void *(*guard_work_t)(void *argument);

static struct {
    pthread_mutex_t turn;              /* one caller at a time */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pid_t process_id;                  /* whose thread it is: a forked child has none */
    guard_work_t work;
    void *argument, *made;
} guard = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, NULL, NULL, NULL};

static void *guard_thread(void *unused) {
    (void)unused;
    pthread_mutex_lock(&guard.mutex);
    for (;;) {
        while (guard.work == NULL) pthread_cond_wait(&guard.changed, &guard.mutex);
        guard.made = guard.work(guard.argument);
        guard.work = NULL;
        pthread_cond_broadcast(&guard.changed);
    }
    return NULL;
}

/* Lock and hide the writable mappings of the arena in which `made` lies. */
static int guard_arena_of(const void *made) {
    static char text[1 << 16];
    uintptr_t base = (uintptr_t)made & ~(uintptr_t)(GUARD_HEAP_BYTES - 1), locked = 0;
    size_t kept = 0;
    int has_made = 0, result = 0, fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return GUARD_UNREADABLE;
    while (result == 0) {
        ssize_t got = read(fd, text + kept, sizeof text - 1 - kept);
        if (got <= 0) {
            if (got < 0) result = GUARD_UNREADABLE;
            break;
        }
        size_t size = kept + (size_t)got, at = 0;
        text[size] = 0;
        for (size_t i = 0; i < size && result == 0; i++) {
            if (text[i] != '\n') continue;
            text[i] = 0;
            unsigned long start, end, inode;
            char mode[5];
            int name_at = 0;
            if (sscanf(text + at, "%lx-%lx %4s %*s %*s %lu %n", &start, &end, mode, &inode, &name_at) == 4
                && mode[1] == 'w' && mode[3] == 'p' && inode == 0 && (name_at == 0 || text[at + name_at] == 0)
                && start >= base && end <= base + GUARD_HEAP_BYTES) {
                if (start <= (uintptr_t)made && (uintptr_t)made < end) has_made = 1;
                locked += end - start;
                if (locked > GUARD_BYTES_MAX) result = GUARD_NO_ARENA;
                else if (mlock2((void *)start, end - start, 0) != 0) result = GUARD_NOT_LOCKED;
                else if (madvise((void *)start, end - start, MADV_DONTDUMP) != 0) result = GUARD_NOT_KEPT_OUT;
            }
            at = i + 1;
        }
        kept = size - at;
        memmove(text, text + at, kept);
        if (kept == sizeof text - 1) result = GUARD_UNREADABLE;
    }
    close(fd);
    return result != 0 || has_made ? result : GUARD_NO_ARENA;
}

/* With both mutexes held: start the thread, if this process has none yet. */
static int guard_thread_up(void) {
    pthread_t thread;
    if (guard.process_id == getpid()) return 0;
    mallopt(M_ARENA_MAX, GUARD_ARENAS_MAX);
    if (pthread_create(&thread, NULL, guard_thread, NULL) != 0) return GUARD_NO_THREAD;
    pthread_detach(thread);
    guard.process_id = getpid();
    return 0;
}

/* In the thread: its first piece of memory is what glibc gives an arena for. */
static void *guard_first_piece(void *unused) {
    (void)unused;
    return malloc(1);
}

/* Have the thread call `work`, and guard what it made: a pointer from malloc, or NULL. 0, or one of the errors above;
 * what was made is in `*made` in either case, and the caller's to free. */
static int guard_make(guard_work_t work, void *argument, void **made) {
    int result;
    pthread_mutex_lock(&guard.turn);
    pthread_mutex_lock(&guard.mutex);
    *made = NULL;
    result = guard_thread_up();
    if (result == 0) {
        guard.argument = argument;
        guard.work = work;
        pthread_cond_broadcast(&guard.changed);
        while (guard.work != NULL) pthread_cond_wait(&guard.changed, &guard.mutex);
        *made = guard.made;
    }
    pthread_mutex_unlock(&guard.mutex);
#ifndef __SANITIZE_ADDRESS__
    if (*made != NULL) result = guard_arena_of(*made);
#endif
    pthread_mutex_unlock(&guard.turn);
    return result;
}

/* Take the arena; what goes wrong is said by the first `guard_make`. */
static void guard_start(void) {
    void *first;
    guard_make(guard_first_piece, NULL, &first);
    free(first);
}

#endif
