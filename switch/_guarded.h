/* Guarded memory for what malloc gives out between guard_begin and guard_end.
 *
 * OpenSSL keeps a cipher's key schedule in memory from malloc, and has no way to say where.  Between the two calls
 * glibc gives every piece pages of its own (M_MMAP_THRESHOLD), so the pages that are new afterwards are those pieces:
 * they are locked, left out of core dumps and wiped in forked children.  They go back to the system when freed.
 * No Python runs in between, so nothing of the interpreter's is among them.
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
};

typedef struct { uintptr_t start, end; } guard_range_t;
typedef struct { guard_range_t *before, *after; int before_count; } guard_t;

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

static int guard_begin(guard_t *guard) {
    guard->before = (guard_range_t *)malloc(2 * GUARD_RANGES_MAX * sizeof(guard_range_t));
    if (guard->before == NULL) return -1;
    guard->after = guard->before + GUARD_RANGES_MAX;
    guard->before_count = guard_snapshot(guard->before);
    if (guard->before_count < 0) { free(guard->before); return -1; }
    mallopt(M_MMAP_THRESHOLD, 1);
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
    free(guard->before);
    return result;
}

#endif
