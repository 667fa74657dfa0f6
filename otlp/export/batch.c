/* batch.c: see batch.h. A batch is a window [first, first + count) on a store of frames; the halves
 * of a split batch are windows on one store, counted in store.users. */
#include "otlp/export/batch.h"

#include <stdlib.h>

#define KEEP_BYTES ((size_t)4 << 20) /* a batch of the default size, and as much again */

struct entry {
    uint64_t sequence;
    int64_t arrived_ns;
    uint64_t items;
    size_t payload_at, payload_len; /* in store.payloads */
    size_t names_at;                /* in store.names: session, then key id */
    uint8_t session_len, key_id_len;
};

struct store {
    unsigned users;
    struct entry *entries;
    size_t n, cap;
    struct buf payloads;
    struct buf names;
    int64_t created; /* monotonic: when the first frame came */
};

struct batch {
    enum signal signal;
    struct store *store;
    size_t first, count;
};

_Static_assert(SPOOL_SESSION_MAX <= UINT8_MAX && SPOOL_KEY_ID_MAX <= UINT8_MAX,
               "entry keeps these lengths in a byte");

struct batch *batch_create(enum signal signal)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    struct store *store = calloc(1, sizeof(*store));
    if (batch == NULL || store == NULL) {
        free(batch);
        free(store);
        return NULL;
    }
    store->users = 1;
    batch->signal = signal;
    batch->store = store;
    return batch;
}

bool batch_free(struct batch *batch)
{
    if (batch == NULL) {
        return false;
    }
    struct store *store = batch->store;
    free(batch);
    if (--store->users != 0) {
        return false;
    }
    free(store->entries);
    buf_free(&store->payloads);
    buf_free(&store->names);
    free(store);
    return true;
}

bool batch_clear(struct batch *batch)
{
    struct store *store = batch->store;
    if (store->users != 1 || store->payloads.cap > KEEP_BYTES) {
        return false;
    }
    store->n = 0;
    buf_clear(&store->payloads);
    buf_clear(&store->names);
    batch->first = batch->count = 0;
    return true;
}

bool batch_fits(const struct batch *batch, const struct batch_limits *limits, size_t len)
{
    if (batch->count == 0) {
        return true;
    }
    size_t have = batch_body(batch).len;
    return batch->count < limits->frames && have < limits->bytes && len <= limits->bytes - have;
}

static struct entry *reserve_entry(struct store *store)
{
    if (store->n == store->cap) {
        size_t cap = store->cap != 0 ? store->cap * 2 : 16;
        struct entry *grown = reallocarray(store->entries, cap, sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        store->entries = grown;
        store->cap = cap;
    }
    return &store->entries[store->n];
}

bool batch_add(struct batch *batch, const struct spool_frame *frame, int64_t now)
{
    struct store *store = batch->store;
    struct slice payload = frame->payload;
    struct entry *entry = reserve_entry(store);
    size_t session_len = strnlen(frame->session, SPOOL_SESSION_MAX);
    size_t key_id_len = strnlen(frame->key_id, SPOOL_KEY_ID_MAX);
    if (entry == NULL || buf_reserve(&store->payloads, payload.len) == NULL ||
        buf_reserve(&store->names, session_len + key_id_len) == NULL) {
        store->payloads.failed = store->names.failed = false; /* what is there stays good */
        return false;
    }
    *entry = (struct entry){.sequence = frame->sequence,
                            .arrived_ns = frame->arrived_ns,
                            .items = frame->items,
                            .payload_at = store->payloads.len,
                            .payload_len = payload.len,
                            .names_at = store->names.len,
                            .session_len = (uint8_t)session_len,
                            .key_id_len = (uint8_t)key_id_len};
    buf_append_slice(&store->payloads, payload);
    buf_append(&store->names, frame->session, session_len);
    buf_append(&store->names, frame->key_id, key_id_len);
    if (store->n == 0) {
        store->created = now;
    }
    store->n++;
    batch->count++;
    return true;
}

int64_t batch_due_at(const struct batch *batch, const struct batch_limits *limits)
{
    return batch->store->created + limits->age_ns;
}

bool batch_due(const struct batch *batch, const struct batch_limits *limits, int64_t now)
{
    return batch->count != 0 &&
           (batch->count >= limits->frames || batch_body(batch).len >= limits->bytes ||
            now >= batch_due_at(batch, limits));
}

struct batch *batch_split(struct batch *batch)
{
    struct batch *upper = batch->count >= 2 ? malloc(sizeof(*upper)) : NULL;
    if (upper == NULL) {
        return NULL;
    }
    size_t taken = batch->count / 2;
    batch->count -= taken;
    *upper = (struct batch){batch->signal, batch->store, batch->first + batch->count, taken};
    batch->store->users++;
    return upper;
}

enum signal batch_signal(const struct batch *batch)
{
    return batch->signal;
}

size_t batch_count(const struct batch *batch)
{
    return batch->count;
}

uint64_t batch_items(const struct batch *batch)
{
    uint64_t items = 0;
    for (size_t i = 0; i < batch->count; i++) {
        items += batch->store->entries[batch->first + i].items;
    }
    return items;
}

uint64_t batch_first_sequence(const struct batch *batch)
{
    return batch->count != 0 ? batch->store->entries[batch->first].sequence : 0;
}

struct slice batch_body(const struct batch *batch)
{
    if (batch->count == 0) {
        return SLICE_LIT("");
    }
    const struct entry *first = &batch->store->entries[batch->first];
    const struct entry *last = &batch->store->entries[batch->first + batch->count - 1];
    return slice_make(batch->store->payloads.data + first->payload_at,
                      last->payload_at + last->payload_len - first->payload_at);
}

struct batch_frame batch_frame(const struct batch *batch, size_t index)
{
    const struct store *store = batch->store;
    const struct entry *entry = &store->entries[batch->first + index];
    const char *names = store->names.data + entry->names_at;
    return (struct batch_frame){
        .sequence = entry->sequence,
        .arrived_ns = entry->arrived_ns,
        .items = entry->items,
        .session = slice_make(names, entry->session_len),
        .key_id = slice_make(names + entry->session_len, entry->key_id_len),
        .payload = slice_make(store->payloads.data + entry->payload_at, entry->payload_len),
    };
}
