/* schema.c: see schema.h. */
#include "otlp/schema.h"

#include <string.h>

void schema_shorten_path(char *path, size_t len, size_t end)
{
    if (len <= 2 * end) {
        return;
    }
    size_t head = end;
    while (head > 0 && path[head] != '.') {
        head--;
    }
    const char *tail = strchr(path + len - end, '.');
    if (tail != NULL) {
        path[head++] = '.';
        path[head++] = '.';
        memmove(path + head, tail, strlen(tail) + 1);
    }
}
