/* A disk that can do little, as vfat, exFAT or sshfs: below the folder that POOR_DISK names, no file
   has a second name, modes cannot be changed, and folders cannot be synced. With POOR_CASE, `A` and
   `a` are one name there; with POOR_LOCKS, there are no locks. To be preloaded. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) dlsym(RTLD_NEXT, #name)

static const char *below(const char *path)
{
    const char *poor = getenv("POOR_DISK");
    return poor && !strncmp(path, poor, strlen(poor)) ? path + strlen(poor) : NULL;
}

static int is_below(int file)
{
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return readlink(link, path, sizeof path - 1) > 0 && below(path) != NULL;
}

/* Return a path as it is written on that disk. */
static const char *on_disk(const char *path, char *room)
{
    if (!path || !below(path) || !getenv("POOR_CASE") || strlen(path) >= 4096)
        return path;
    strcpy(room, path);
    for (char *each = room + (below(path) - path); *each; each++)
        *each = tolower(*each);
    return room;
}

static int no(int error) { errno = error; return -1; }

#define PATH(path) char room_##path[4096]; path = on_disk(path, room_##path)

#define ONE(name, ...) { PATH(path); return ((int (*)()) REAL(name))(__VA_ARGS__); }
int stat(const char *path, struct stat *found) ONE(stat, path, found)
int stat64(const char *path, struct stat64 *found) ONE(stat64, path, found)
int lstat(const char *path, struct stat *found) ONE(lstat, path, found)
int lstat64(const char *path, struct stat64 *found) ONE(lstat64, path, found)
int fstatat(int at, const char *path, struct stat *found, int flags)
    ONE(fstatat, at, path, found, flags)
int fstatat64(int at, const char *path, struct stat64 *found, int flags)
    ONE(fstatat64, at, path, found, flags)
int unlink(const char *path) ONE(unlink, path)
int mkdir(const char *path, mode_t mode) ONE(mkdir, path, mode)
int utimensat(int at, const char *path, const struct timespec times[2], int flags)
    ONE(utimensat, at, path, times, flags)

#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
    PATH(path); return ((int (*)(const char *, int, int)) REAL(name))(path, flags, mode); }
OPEN(open)
OPEN(open64)

DIR *opendir(const char *path)
{
    PATH(path);
    return ((DIR *(*)(const char *)) REAL(opendir))(path);
}

int rename(const char *from, const char *to)
{
    PATH(from);
    PATH(to);
    return ((int (*)(const char *, const char *)) REAL(rename))(from, to);
}

int link(const char *from, const char *to)
{
    return below(to) ? no(EPERM) : ((int (*)(const char *, const char *)) REAL(link))(from, to);
}

int linkat(int at, const char *from, int there, const char *to, int flags)
{
    return below(to) ? no(EPERM) : ((int (*)()) REAL(linkat))(at, from, there, to, flags);
}

int chmod(const char *path, mode_t mode)
{
    return below(path) ? no(EPERM) : ((int (*)(const char *, mode_t)) REAL(chmod))(path, mode);
}

int fchmod(int file, mode_t mode)
{
    return is_below(file) ? no(EPERM) : ((int (*)(int, mode_t)) REAL(fchmod))(file, mode);
}

int fsync(int file)
{
    struct stat found;
    if (is_below(file) && !fstat(file, &found) && S_ISDIR(found.st_mode))
        return no(EINVAL);
    return ((int (*)(int)) REAL(fsync))(file);
}

int flock(int file, int how)
{
    if (getenv("POOR_LOCKS") && is_below(file))
        return no(ENOSYS);
    return ((int (*)(int, int)) REAL(flock))(file, how);
}
