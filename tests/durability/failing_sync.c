/* A disk that takes what is written and then does not confirm it: while the file that FAILING_SYNC
   names is there, fsync and fdatasync fail for every file with "chat.sqlite" in its path. To be
   preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sync_with(const char *name, int file)
{
    char link[64], path[4096] = "";
    const char *failing = getenv("FAILING_SYNC");

    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (failing && !access(failing, F_OK) && readlink(link, path, sizeof path - 1) > 0
        && strstr(path, "chat.sqlite")) {
        errno = EIO;
        return -1;
    }
    return ((int (*)(int)) dlsym(RTLD_NEXT, name))(file);
}

int fsync(int file) { return sync_with("fsync", file); }
int fdatasync(int file) { return sync_with("fdatasync", file); }
