/* keyring_internal.h: what the rooms of the keyring share. Internal to secrets/.
 *
 *   keyring.c        the handle: sources, reload, counts
 *   keyring_ring.c   one immutable ring: built from the sources, shared by reference count
 *   keyring_match.c  a thread's reader of it
 *   keyring_watch.c  noticing that a source changed
 *
 * Generations: keyring_reload puts a new ring in place under the mutex and raises `generation`. A
 * reader compares that number with its own, one atomic load a match, and takes the mutex only when
 * they differ. A ring is freed when the last reader has let go of it.
 */
#ifndef SIGPOST_SECRETS_KEYRING_INTERNAL_H
#define SIGPOST_SECRETS_KEYRING_INTERNAL_H

#include "base/metrics.h"
#include "secrets/keyring.h"
#include "secrets/keyring_file.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

struct ring_key {
    struct key_entry entry; /* without its secret: that is in mac alone */
    size_t rank;            /* the higher, the newer, among equal `created` */
    EVP_MAC_CTX *mac;       /* keyed; readers duplicate it, nobody computes with it. Owned */
    struct metric *uses;    /* NULL without metrics */
    struct metric *end;     /* the same */
};

struct ring {
    atomic_uint references;
    bool had_file; /* the ring file was there */
    size_t n;
    struct ring_key keys[]; /* newest first */
};

/* The sources as the keyring keeps them. All owned; NULL when there is none. */
struct ring_sources {
    char *ring_file;
    char *secret_file;
    bool secret_file_required;
    char *signing_secret; /* secure heap */
};

/* Reads the sources; the ring has one reference. NULL and a sentence. */
struct ring *ring_build(const struct keyring_sources *sources, EVP_MAC *hmac,
                        struct metrics *metrics, struct result *why);
void ring_release(struct ring *ring); /* NULL is fine */
/* Sets the metric of each key's last day, and takes it from keys that only `old` (may be NULL)
 * has. */
void ring_tell_ends(const struct ring *old, const struct ring *fresh);

/* What tells one version of a file from another without reading it. */
struct file_print {
    bool exists;
    struct stat info;
};

#define WATCHES_MAX 64

struct keyring_watch {
    int fd; /* inotify; -1: none */
    int watches[WATCHES_MAX];
    size_t n;
};

void keyring_watch_open(struct keyring_watch *watch);
void keyring_watch_close(struct keyring_watch *watch);
/* Empties the descriptor and watches every directory on whose entries the meaning of a path
 * depends. */
void keyring_watch_renew(struct keyring_watch *watch, const char *const *paths, size_t n);

struct file_print file_print_take(const char *path);
/* Whether a file is another one than when `then` was taken. */
bool file_print_changed(const struct file_print *then, const char *path);
/* Whether the file had just been written at `loaded_ns` (wall time), when its print was taken. File
 * times step by the kernel's tick: one that is written again in the same tick looks the same. */
bool file_print_fresh(const struct file_print *print, int64_t loaded_ns);

#define KEYRING_FILES 2 /* the ring file and the single-secret file */

struct keyring {
    struct ring_sources sources;
    struct metrics *metrics;
    EVP_MAC *hmac;

    /* Of the thread that reloads. */
    struct keyring_watch watch;
    struct file_print prints[KEYRING_FILES];
    int64_t loaded_ns; /* wall time of the last load, and monotonic */
    int64_t tried_ns;
    bool loaded_again; /* since the last change, because a file was fresh */

    pthread_mutex_t
        mutex; /* guards ring and problem; held for a few instructions, never over I/O */
    struct ring *ring;
    char problem[RESULT_TEXT_MAX];
    atomic_uint_fast64_t generation; /* of ring; starts at 1 */
};

#endif
