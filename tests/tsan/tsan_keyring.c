/* tsan_keyring.c: threads match and sign while the ring is reloaded under them and a scrape reads
 * the counts. One key is in every ring and must verify always; two others take turns.
 */
#include "base/log.h"
#include "secrets/keyring.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS 4
#define MATCHES 4000
#define RELOADS 150
#define SHARED "cccccccccccccccccccccccccccccccccccccccc"

static const char *const secrets[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};
static char dir[] = "/tmp/sigpost-tsan-XXXXXX";
static char path[64];
static char temporary[64];
static struct keyring *ring;
static atomic_bool finished;

static void check(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "failed: %s\n", what);
        _exit(1);
    }
}

/* The shared key stays, the other one takes turns; every fifth file is broken. */
static void put_ring(unsigned round)
{
    FILE *file = fopen(temporary, "wb");
    check(file != NULL, "open a ring file");
    fchmod(fileno(file), 0600);
    fprintf(file,
            "keys = ( { id = \"shared\"; secret = \"" SHARED "\"; state = \"active\"; },\n"
            "{ id = \"turn%u\"; secret = \"%s\"; state = \"%s\"; } );\n",
            round % 2, secrets[round % 2], round % 5 == 4 ? "broken" : "active");
    check(fclose(file) == 0 && rename(temporary, path) == 0, "write a ring file");
}

static struct signature_claim make_claim(const char *secret)
{
    char message[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    char signature[2 * SIGNATURE_BYTES + 1];
    struct signature_claim claim;
    size_t len = signature_message(SLICE_LIT("/p"), SLICE_LIT("1"), SLICE_LIT("s"), message,
                                   sizeof(message));
    check(signature_sign(slice_of(secret), slice_make(message, len), signature), "sign");
    const struct signature_headers headers = {
        .signature = slice_of(signature), .timestamp = SLICE_LIT("1"), .session = SLICE_LIT("s")};
    check(signature_parse(&headers, &claim) == REASON_OK, "parse");
    return claim;
}

static void *match_all(void *arg)
{
    static const struct slice paths[] = {{"/q", 2}, {"/p", 2}};
    const struct signature_claim shared = make_claim(SHARED);
    const struct signature_claim turns[] = {make_claim(secrets[0]), make_claim(secrets[1])};
    struct keyring_reader *reader = keyring_reader_create(ring);
    struct slice hint = {0};
    unsigned verified = 0;
    check(reader != NULL, "make a reader");
    for (unsigned i = 0; i < MATCHES || !atomic_load(&finished); i++) {
        struct keyring_match match;
        check(keyring_match(reader, &shared, paths, 2, hint, 1, &match) == REASON_OK &&
                  match.path == 1 && slice_eq_str(match.key_id, "shared"),
              "the key that stays verifies, whatever is reloaded");
        hint = match.key_id;
        enum reason reason = keyring_match(reader, &turns[i % 2], paths, 2, hint, 1, &match);
        check(reason == REASON_INVALID_SIGNATURE ||
                  slice_eq_str(match.key_id, i % 2 == 0 ? "turn0" : "turn1"),
              "the key that verified is the one that signed");
        verified += reason == REASON_OK;
        hint = match.key_id;
    }
    check(verified != 0, "the keys that take turns verify at times");
    keyring_reader_destroy(reader);
    return arg;
}

static void *count_all(void *arg)
{
    while (!atomic_load(&finished)) {
        struct keyring_counts counts;
        keyring_counts(ring, 1, &counts);
        check(counts.active == 2, "every ring has two keys");
    }
    return arg;
}

int main(void)
{
    struct result why = RESULT_INIT;
    struct metrics *metrics = metrics_create();
    pthread_t threads[THREADS + 1];
    check(mkdtemp(dir) != NULL && metrics != NULL, "set up");
    log_redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
    snprintf(path, sizeof(path), "%s/ring", dir);
    snprintf(temporary, sizeof(temporary), "%s/new", dir);
    put_ring(0);
    const struct keyring_sources sources = {.ring_file = path};
    ring = keyring_open(&sources, metrics, &why);
    check(ring != NULL, why.text);
    for (size_t i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, match_all, NULL) == 0, "start a thread");
    }
    check(pthread_create(&threads[THREADS], NULL, count_all, NULL) == 0, "start a thread");
    for (unsigned round = 1; round <= RELOADS; round++) {
        put_ring(round);
        (void)keyring_drain_watch(ring);
        check(keyring_reload(ring, &why) == (round % 5 != 4), "only the broken file is refused");
        usleep(2000);
    }
    atomic_store(&finished, true);
    for (size_t i = 0; i <= THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    keyring_close(ring);
    metrics_destroy(metrics);
    unlink(path);
    rmdir(dir);
    return 0;
}
