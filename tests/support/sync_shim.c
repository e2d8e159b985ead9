/* Stands between a switch and its disk (LD_PRELOAD): delays, fails, counts and tears what goes to journal segments.

   Orders are files in the folder SYNC_SHIM: `delay_ms` (a number), `fail_sync`, `fail_write`, `tear_bytes` (a number).
   The file `log` there gets one line for each begin and end of an fdatasync: letter, thread, CLOCK_MONOTONIC in ns. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int is_segment(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    static const char ending[] = ".segment";
    ssize_t width = sizeof ending - 1;
    return size > width && memcmp(path + size - width, ending, width) == 0;
}

static int order_file(const char *name) {
    char path[4096];
    const char *folder = getenv("SYNC_SHIM");
    if (!folder) return -1;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int ordered(const char *name) {
    int fd = order_file(name);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static long order_number(const char *name) {
    char text[32] = "";
    int fd = order_file(name);
    if (fd < 0) return -1;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    return size > 0 ? atol(text) : 0;
}

static void tell(char letter) {
    char path[4096], line[96];
    struct timespec now;
    snprintf(path, sizeof path, "%s/log", getenv("SYNC_SHIM"));
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int size = snprintf(line, sizeof line, "%c %ld %lld\n", letter, (long)syscall(SYS_gettid),
                        (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    if (write(fd, line, size) != size) abort();
    close(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (!getenv("SYNC_SHIM") || !is_segment(fd)) return real(fd);
    tell('b');
    long delay_ms = order_number("delay_ms");
    if (delay_ms > 0) {
        struct timespec pause = {delay_ms / 1000, delay_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    if (ordered("fail_sync")) {
        errno = EIO;
        return -1;
    }
    int result = real(fd);
    tell('e');
    return result;
}

static ssize_t write_to_segment(int fd, const void *data, size_t size, off_t offset,
                                ssize_t (*real)(int, const void *, size_t, off_t)) {
    long tear_bytes = order_number("tear_bytes");
    if (tear_bytes >= 0) {
        if ((size_t)tear_bytes < size) size = (size_t)tear_bytes;
        if (size && real(fd, data, size, offset) < 0) abort();
        kill(getpid(), SIGKILL);
        pause();
    }
    if (ordered("fail_write")) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return getenv("SYNC_SHIM") && is_segment(fd) ? write_to_segment(fd, data, size, offset, real)
                                                 : real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return getenv("SYNC_SHIM") && is_segment(fd) ? write_to_segment(fd, data, size, offset, real)
                                                 : real(fd, data, size, offset);
}
