/* Guarded memory for what malloc gives out to one thread.
 *
<<<<<<< HEAD
 * OpenSSL keeps a cipher's key schedule in memory from malloc, and has no way to say where.  Between the two calls
 * glibc gives every piece pages of its own (M_MMAP_THRESHOLD), so the pages that are new afterwards are those pieces:
 * they are locked, left out of core dumps and wiped in forked children.  They go back to the system when freed.
 * No Python runs in between, so nothing of the interpreter's is among them.
 *
 * glibc asks the system only when it has nothing free itself, so guard_begin first takes all that is free (drain):
 * pieces of each size, from large to small, until one comes with pages of its own.  guard_end gives them back.
=======
 * OpenSSL keeps a cipher's key schedule in memory from malloc, and has no way to say where.  glibc gives each thread
 * an arena, so contexts are made by a thread of their own, which does nothing else and never ends: what it allocates
 * lies in its arena, and that is locked and left out of core dumps.  Contexts may be used and freed by any thread; a
 * new key for the same cipher stays in the same memory.
 *
 * It is not wiped in forked children (MADV_WIPEONFORK): what a thread has freed of an arena that same thread may get
 * again for other things, and a child would find zeros in them before it reaches its exec.
 *
 * With AddressSanitizer malloc has no arenas: then nothing is guarded.
>>>>>>> secdoc
 */
#ifndef CARDSWITCH_GUARDED_H
#define CARDSWITCH_GUARDED_H

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
<<<<<<< HEAD
    GUARD_RANGES_MAX = 65536,          /* mappings of a process: vm.max_map_count is 65,530 by default */
    GUARD_THRESHOLD_BYTES = 131072,    /* glibc's own default of M_MMAP_THRESHOLD, put back */
    GUARD_DRAIN_BYTES_MAX = 1 << 20,   /* free memory is taken in pieces of this size first, so it is not many */
    GUARD_STEPPED_BYTES = 2040,        /* from here down every size that glibc tells apart (16 bytes) */
};

typedef struct { uintptr_t start, end; } guard_range_t;
typedef struct guard_held { struct guard_held *next; } guard_held_t;
typedef struct { guard_range_t *before, *after; int before_count; guard_held_t *held; } guard_t;
=======
    GUARD_HEAP_BYTES = 64 << 20,       /* glibc's heaps of arenas begin at multiples of it, and are no longer */
    GUARD_BYTES_MAX = 4 << 20,         /* half of the 8 MiB that may be locked by default: some thousand keys */
    GUARD_UNREADABLE = -1,             /* the mappings of this process cannot be read */
    GUARD_NOT_LOCKED = -2,
    GUARD_NOT_KEPT_OUT = -3,           /* of core dumps */
    GUARD_NO_ARENA = -4,               /* the thread shares the main arena, or an arena too large to lock */
    GUARD_NO_THREAD = -5,
};

typedef void *(*guard_work_t)(void *argument);
>>>>>>> secdoc

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

<<<<<<< HEAD
/* Whether glibc gave a piece pages of its own: bit 1 of the size before it. */
static int guard_is_mapped(const void *piece) { return (int)(((const size_t *)piece)[-1] >> 1 & 1); }

/* Hold pieces of a size until none is free any more. 0, -1: no memory. */
static int guard_drain_size(guard_t *guard, size_t size_bytes) {
    for (;;) {
        guard_held_t *piece = (guard_held_t *)malloc(size_bytes);
        if (piece == NULL) return -1;
        if (guard_is_mapped(piece)) {
            free(piece);
            return 0;
        }
        piece->next = guard->held;
        guard->held = piece;
    }
}

static void guard_give_back(guard_t *guard) {
    while (guard->held != NULL) {
        guard_held_t *piece = guard->held;
        guard->held = piece->next;
        free(piece);
    }
}

static int guard_drain(guard_t *guard) {
    for (size_t size_bytes = GUARD_DRAIN_BYTES_MAX; size_bytes > GUARD_STEPPED_BYTES; size_bytes /= 2)
        if (guard_drain_size(guard, size_bytes)) return -1;
    for (size_t size_bytes = GUARD_STEPPED_BYTES; size_bytes >= 24; size_bytes -= 16)
        if (guard_drain_size(guard, size_bytes)) return -1;
    return 0;
}

static int guard_begin(guard_t *guard) {
    guard->before = (guard_range_t *)malloc(2 * GUARD_RANGES_MAX * sizeof(guard_range_t));
    if (guard->before == NULL) return -1;
    guard->after = guard->before + GUARD_RANGES_MAX;
    guard->held = NULL;
    mallopt(M_MMAP_THRESHOLD, 1);
    guard->before_count = guard_drain(guard) ? -1 : guard_snapshot(guard->before);
    if (guard->before_count < 0) {
        mallopt(M_MMAP_THRESHOLD, GUARD_THRESHOLD_BYTES);
        guard_give_back(guard);
        free(guard->before);
        return -1;
    }
    return 0;
}

/* Guard what is new. 0; -1: the mappings cannot be read, -2: not locked, -3: not kept out of dumps. */
static int guard_end(guard_t *guard) {
    int result = 0, k = 0, count;
    mallopt(M_MMAP_THRESHOLD, GUARD_THRESHOLD_BYTES);
    count = guard_snapshot(guard->after);
    if (count < 0) result = -1;
    for (int i = 0; i < count && result == 0; i++) {
        uintptr_t at = guard->after[i].start, end = guard->after[i].end;
        while (at < end && result == 0) {           /* what of [at, end) no mapping had before */
            while (k < guard->before_count && guard->before[k].end <= at) k++;
            uintptr_t stop = end;
            if (k < guard->before_count && guard->before[k].start < end) {
                if (guard->before[k].start <= at) {
                    at = guard->before[k].end;
                    continue;
                }
                stop = guard->before[k].start;
            }
            if (mlock((void *)at, stop - at) != 0) result = -2;
            else if (madvise((void *)at, stop - at, MADV_DONTDUMP) || madvise((void *)at, stop - at, MADV_WIPEONFORK))
                result = -3;
            at = stop;
        }
    }
    guard_give_back(guard);
    free(guard->before);
=======
/* Have the thread call `work`, and guard what it made: a pointer from malloc, or NULL. 0, or one of the errors above;
 * what was made is in `*made` in either case, and the caller's to free. */
static int guard_make(guard_work_t work, void *argument, void **made) {
    int result = 0;
    pthread_mutex_lock(&guard.turn);
    pthread_mutex_lock(&guard.mutex);
    *made = NULL;
    if (guard.process_id != getpid()) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, guard_thread, NULL) == 0) {
            pthread_detach(thread);
            guard.process_id = getpid();
        } else result = GUARD_NO_THREAD;
    }
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
>>>>>>> secdoc
    return result;
}

#endif
