/* Guarded memory for what malloc gives out between guard_begin and guard_end.
 *
 * OpenSSL keeps a cipher's key schedule in memory from malloc, and has no way to say where.  Between the two calls
 * glibc gives every piece pages of its own (M_MMAP_THRESHOLD), so the pages that are new afterwards are those pieces:
 * they are locked, left out of core dumps and wiped in forked children.  They go back to the system when freed.
 * No Python runs in between, so nothing of the interpreter's is among them.
 *
 * glibc asks the system only when it has nothing free itself, so guard_begin first takes all that is free (drain):
 * pieces of each size, from large to small, until one comes with pages of its own.  guard_end gives them back.
 */
#ifndef CARDSWITCH_GUARDED_H
#define CARDSWITCH_GUARDED_H

#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    GUARD_RANGES_MAX = 65536,          /* mappings of a process: vm.max_map_count is 65,530 by default */
    GUARD_THRESHOLD_BYTES = 131072,    /* glibc's own default of M_MMAP_THRESHOLD, put back */
    GUARD_DRAIN_BYTES_MAX = 1 << 20,   /* free memory is taken in pieces of this size first, so it is not many */
    GUARD_STEPPED_BYTES = 2040,        /* from here down every size that glibc tells apart (16 bytes) */
};

typedef struct { uintptr_t start, end; } guard_range_t;
typedef struct guard_held { struct guard_held *next; } guard_held_t;
typedef struct { guard_range_t *before, *after; int before_count; guard_held_t *held; } guard_t;

/* Private anonymous writable mappings, ascending; -1 when they cannot be read. */
static int guard_snapshot(guard_range_t *ranges) {
    static char text[1 << 16];
    size_t kept = 0;
    int count = 0, fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    for (;;) {
        ssize_t got = read(fd, text + kept, sizeof text - 1 - kept);
        if (got < 0) { close(fd); return -1; }
        if (got == 0) break;
        size_t size = kept + (size_t)got, at = 0;
        text[size] = 0;
        for (size_t i = 0; i < size; i++) {
            if (text[i] != '\n') continue;
            text[i] = 0;
            unsigned long start, end, inode;
            char mode[5];
            int name_at = 0;
            if (sscanf(text + at, "%lx-%lx %4s %*s %*s %lu %n", &start, &end, mode, &inode, &name_at) == 4
                && mode[1] == 'w' && mode[3] == 'p' && inode == 0 && (name_at == 0 || text[at + name_at] == 0)
                && count < GUARD_RANGES_MAX) {
                ranges[count].start = start;
                ranges[count].end = end;
                count++;
            }
            at = i + 1;
        }
        kept = size - at;
        for (size_t i = 0; i < kept; i++) text[i] = text[at + i];
        if (kept == sizeof text - 1) { close(fd); return -1; }
    }
    close(fd);
    return count;
}

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
    return result;
}

#endif
