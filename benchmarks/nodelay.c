/* Give every connection that a program accepts TCP_NODELAY. Preloaded into servers that do not ask
 * for it: without, two small writes in a row wait out the reader's delayed acknowledgement, 40 ms.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int without_delay(int connection)
{
    int on = 1;
    if (connection >= 0) setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connection;
}

int accept(int listening, struct sockaddr *address, socklen_t *size)
{
    static int (*real)(int, struct sockaddr *, socklen_t *);
    if (!real) real = (int (*)(int, struct sockaddr *, socklen_t *))dlsym(RTLD_NEXT, "accept");
    return without_delay(real(listening, address, size));
}

int accept4(int listening, struct sockaddr *address, socklen_t *size, int flags)
{
    static int (*real)(int, struct sockaddr *, socklen_t *, int);
    if (!real)
        real = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    return without_delay(real(listening, address, size, flags));
}
