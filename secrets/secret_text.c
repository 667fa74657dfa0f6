/* secret_text.c: see secret_text.h. The checks are made on the opened descriptor, so that the file
 * that was checked is the file that is read.
 */
#include "secrets/secret_text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

static bool check_file(const char *path, const struct stat *info, size_t max, bool private_only,
                       struct result *why)
{
    if (!S_ISREG(info->st_mode)) {
        return result_fail(why, "%s: not a regular file", path);
    }
    if (private_only && (info->st_mode & 077) != 0) {
        return result_fail(why, "%s: mode %04o lets others at the secrets; run: chmod 600 %s", path,
                           (unsigned)(info->st_mode & 07777), path);
    }
    if (info->st_size < 0 || (size_t)info->st_size > max) {
        return result_fail(why, "%s: %lld bytes are too many; at most %zu are read", path,
                           (long long)info->st_size, max);
    }
    return true;
}

/* Reads until the end of the file, though it may have grown since its size was asked. */
static bool read_all(int fd, const char *path, size_t max, struct secret_text *text,
                     struct result *why)
{
    for (;;) {
        ssize_t got = read(fd, text->data + text->len, text->cap - text->len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return result_fail_errno(why, errno, "%s: cannot read", path);
        }
        if (got == 0) {
            text->data[text->len] = '\0';
            return true;
        }
        text->len += (size_t)got;
        if (text->len == text->cap) {
            return result_fail(why, "%s: grew while it was read, or over %zu bytes; try again",
                               path, max);
        }
    }
}

bool secret_text_read(const char *path, size_t max, bool private_only, struct secret_text *text,
                      bool *missing, struct result *why)
{
    bool ok = false;
    *text = (struct secret_text){0};
    *missing = false;
    /* O_NONBLOCK: a FIFO in the file's place must not hang the one who opens it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        *missing = errno == ENOENT || errno == ENOTDIR;
        return *missing || result_fail_errno(why, errno, "%s: cannot open", path);
    }
    if (fstat(fd, &text->info) != 0) {
        result_fail_errno(why, errno, "%s: cannot stat", path);
        goto cleanup;
    }
    if (!check_file(path, &text->info, max, private_only, why)) {
        goto cleanup;
    }
    text->cap = (size_t)text->info.st_size + 1;
    text->data = OPENSSL_secure_malloc(text->cap);
    if (text->data == NULL) {
        result_fail(why, "%s: the secure memory for secrets is used up; have fewer or shorter keys",
                    path);
        goto cleanup;
    }
    ok = read_all(fd, path, max, text, why);

cleanup:
    close(fd);
    if (!ok) {
        secret_text_free(text);
    }
    return ok;
}

void secret_text_free(struct secret_text *text)
{
    if (text->data != NULL) {
        OPENSSL_secure_clear_free(text->data, text->cap);
    }
    *text = (struct secret_text){0};
}
