/* lobby_store.c: see lobby_store.h. Reading is a cursor whose first fault sticks; every count and
 * length is checked against the bytes that are left. */
#include "session/lobby_store.h"

#include "base/durable_file.h"
#include "session/lobby_internal.h"

#include <endian.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC "SIGLOBBY"
#define VERSION 1
#define FILE_MAX ((size_t)64 * 1024 * 1024)
#define PERSON_MIN_BYTES 41
#define AGE_MAX_NS (INT64_MAX / 8) /* 36 years: sums of ages and times stay in range */

static uint32_t crc32c(struct slice bytes)
{
    return ~crc32_iscsi((unsigned char *)bytes.data, (int)bytes.len, ~0U);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put(struct buf *out, uint64_t value, size_t bytes)
{
    uint64_t little = htole64(value);
    buf_append(out, &little, bytes);
}

static void put_age(struct buf *out, int64_t since_ns, int64_t now_ns)
{
    int64_t age_ns = now_ns > since_ns ? now_ns - since_ns : 0;
    put(out, (uint64_t)(age_ns < AGE_MAX_NS ? age_ns : AGE_MAX_NS), 8);
}

static void put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    put(out, len, 1);
    buf_append(out, text, len);
}

static void put_person(struct buf *out, const struct person *person, int64_t now_ns)
{
    put(out, person->key.id[0], 8);
    put(out, person->key.id[1], 8);
    put(out, person->key.slot, 8);
    put_age(out, person->since_ns, now_ns);
    put_age(out, person->touched_ns, now_ns);
    put(out, person->name != NULL, 1);
    if (person->name != NULL) {
        put_age(out, person->name->since_ns, now_ns);
        put_text(out, person->name->user);
        put_text(out, person->name->target);
    }
}

void lobby_encode(const struct lobby *lobby, int64_t mono_ns, int64_t wall_ns, struct buf *out)
{
    size_t begin = out->len;
    buf_append_str(out, MAGIC);
    put(out, VERSION, 4);
    put(out, (uint64_t)wall_ns, 8);
    put(out, lobby->n_lengths, 4);
    uint32_t first = lobby->n_lengths < LOBBY_LENGTHS ? 0 : lobby->next_length;
    for (uint32_t i = 0; i < lobby->n_lengths; i++) {
        put(out, (uint64_t)lobby->lengths[(first + i) % LOBBY_LENGTHS], 8);
    }
    put(out, lobby->inside.n, 4);
    put(out, lobby->line.n, 4);
    for (size_t i = 0; i < lobby->inside.n; i++) {
        put_person(out, &lobby->inside.all[i], mono_ns);
    }
    for (size_t i = 0; i < lobby->line.n; i++) {
        put_person(out, &lobby->line.all[i], mono_ns);
    }
    if (!out->failed) {
        put(out, crc32c(slice_make(out->data + begin, out->len - begin)), 4);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    struct slice rest;
    bool failed;
    int64_t now_ns;  /* monotonic */
    int64_t away_ns; /* since the bytes were written */
};

static uint64_t get(struct reader *r, size_t bytes)
{
    uint64_t little = 0;
    if (r->failed || r->rest.len < bytes) {
        r->failed = true;
        return 0;
    }
    memcpy(&little, r->rest.data, bytes);
    r->rest = slice_make(r->rest.data + bytes, r->rest.len - bytes);
    return le64toh(little);
}

/* The monotonic time that was this age when the bytes were written, `away` before now. */
static int64_t get_time(struct reader *r, int64_t away_ns)
{
    uint64_t age = get(r, 8);
    r->failed = r->failed || age > AGE_MAX_NS;
    return r->failed ? 0 : r->now_ns - (int64_t)age - away_ns;
}

static void get_text(struct reader *r, char *to, size_t max, bool (*is_good)(struct slice text))
{
    size_t len = get(r, 1);
    struct slice text = slice_make(r->rest.data, len);
    if (r->failed || len > max || len > r->rest.len || !is_good(text)) {
        r->failed = true;
        return;
    }
    memcpy(to, text.data, len);
    to[len] = '\0';
    r->rest = slice_make(r->rest.data + len, r->rest.len - len);
}

static struct lobby_name *get_name(struct reader *r)
{
    struct lobby_name *name = calloc(1, sizeof(*name));
    if (name == NULL) {
        r->failed = true;
        return NULL;
    }
    name->since_ns = get_time(r, r->away_ns);
    get_text(r, name->user, PRESENCE_USER_MAX, presence_is_user);
    get_text(r, name->target, PRESENCE_TARGET_MAX, presence_is_target);
    return name;
}

static void get_people(struct reader *r, struct people *people, size_t n, int64_t away_ns)
{
    r->failed = r->failed || n > r->rest.len / PERSON_MIN_BYTES;
    for (size_t i = 0; i < n && !r->failed; i++) {
        struct person person = {0};
        person.key.id[0] = get(r, 8);
        person.key.id[1] = get(r, 8);
        person.key.slot = get(r, 8);
        person.since_ns = get_time(r, r->away_ns);
        person.touched_ns = get_time(r, away_ns);
        uint64_t named = get(r, 1);
        r->failed = r->failed || named > 1;
        person.name = named == 1 && !r->failed ? get_name(r) : NULL;
        if (r->failed || !people_add(people, &person)) {
            r->failed = true;
            free(person.name);
        }
    }
}

static void get_all(struct reader *r, struct lobby *lobby, int64_t wall_ns)
{
    int64_t then_ns = (int64_t)get(r, 8);
    int64_t away_ns;
    if (__builtin_sub_overflow(wall_ns, then_ns, &away_ns) || away_ns > AGE_MAX_NS) {
        away_ns = AGE_MAX_NS;
    }
    r->away_ns = away_ns > 0 ? away_ns : 0;
    size_t n_lengths = get(r, 4);
    r->failed = r->failed || n_lengths > LOBBY_LENGTHS;
    for (size_t i = 0; i < n_lengths && !r->failed; i++) {
        int64_t length = (int64_t)get(r, 8);
        r->failed = r->failed || length < 0;
        lobby->lengths[i] = length;
    }
    lobby->n_lengths = (uint32_t)n_lengths;
    lobby->next_length = (uint32_t)(n_lengths % LOBBY_LENGTHS);
    size_t inside = get(r, 4);
    size_t waiting = get(r, 4);
    get_people(r, &lobby->inside, inside, r->away_ns);
    get_people(r, &lobby->line, waiting, 0);
    r->failed = r->failed || r->rest.len != 0;
}

static void make_empty(struct lobby *lobby)
{
    struct people *both[] = {&lobby->inside, &lobby->line};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < both[k]->n; i++) {
            free(both[k]->all[i].name);
        }
        both[k]->n = 0;
    }
    lobby->n_lengths = lobby->next_length = 0;
}

bool lobby_decode(struct lobby *lobby, struct slice bytes, int64_t mono_ns, int64_t wall_ns,
                  struct result *why)
{
    const size_t head = sizeof(MAGIC) - 1;
    struct reader r = {.now_ns = mono_ns};
    if (bytes.len < head + 8 || memcmp(bytes.data, MAGIC, head) != 0) {
        return result_fail(why, "not a file of sigpost's lobby");
    }
    r.rest = slice_make(bytes.data + bytes.len - 4, 4);
    if (get(&r, 4) != crc32c(slice_make(bytes.data, bytes.len - 4))) {
        return result_fail(why, "its checksum is wrong");
    }
    r.rest = slice_make(bytes.data + head, bytes.len - head - 4);
    uint64_t version = get(&r, 4);
    if (version != VERSION) {
        return result_fail(why, "its version is %u; this sigpost reads %d", (unsigned)version,
                           VERSION);
    }
    get_all(&r, lobby, wall_ns);
    if (r.failed) {
        make_empty(lobby);
        return result_fail(why, "its content makes no sense");
    }
    lobby_stir(lobby);
    return true;
}

bool lobby_store_read(struct lobby *lobby, const char *path, int64_t mono_ns, int64_t wall_ns,
                      struct result *why)
{
    struct result fault = RESULT_INIT;
    struct buf bytes = BUF_INIT;
    bool missing;
    bool good = durable_file_read(path, FILE_MAX, &bytes, &missing, &fault) &&
                (missing || lobby_decode(lobby, buf_slice(&bytes), mono_ns, wall_ns, &fault));
    buf_free(&bytes);
    if (good) {
        return true;
    }
    bool moved = durable_file_set_aside(path);
    result_fail(why, "%s: %s; %s", path, fault.text,
                moved ? "it is set aside as .damaged beside it" : "it cannot be set aside either");
    return false;
}
