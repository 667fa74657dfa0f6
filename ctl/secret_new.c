/* secret_new.c: a key to be made: what was wished for, its id and its secret, and room for it in
 * the ring. See secret.h. */
#include "ctl/secret.h"

#include "base/clock.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_BYTES 32

int secret_wish_check(struct ctl *ctl, struct secret_wish *wish, const char *state)
{
    struct result why = RESULT_INIT;
    struct key_entry scratch = {.secret = NULL};
    if (wish->id != NULL && !signature_key_id_valid(slice_of(wish->id))) {
        return ctl_wrong_use(ctl, "secret", "--id takes 1 to %d of A-Z a-z 0-9 . _ -",
                             SIGNATURE_KEY_ID_MAX);
    }
    if (wish->id != NULL && (strcmp(wish->id, "env") == 0 || strcmp(wish->id, "file") == 0)) {
        return ctl_wrong_use(ctl, "secret",
                             "the id \"%s\" is the one of the %s's secret; choose another",
                             wish->id, wish->id[0] == 'e' ? "environment" : "secret file");
    }
    if (!key_entry_set_label(&scratch, slice_of(wish->label), &why) ||
        !key_entry_set_note(&scratch, slice_of(wish->note), &why)) {
        return ctl_wrong_use(ctl, "secret", "%s", why.text);
    }
    if (state != NULL && !key_state_parse(slice_of(state), &wish->state)) {
        return ctl_wrong_use(ctl, "secret", "--state takes one of pending, active, revoked");
    }
    if (wish->state == KEY_RETIRING) {
        return ctl_wrong_use(ctl, "secret",
                             "a retiring key needs an end: make it active, then give it one with "
                             "sigpostctl secret retire ID --at WHEN");
    }
    return CTL_DONE;
}

static bool make_room_for_secret(struct secret_wish *wish, struct result *why)
{
    wish->secret = OPENSSL_secure_malloc(SECRET_INPUT_MAX + 1);
    return wish->secret != NULL || result_fail(why, "no secure memory for the secret");
}

bool secret_wish_random(struct secret_wish *wish, struct result *why)
{
    uint8_t bytes[RANDOM_BYTES];
    _Static_assert(RANDOM_BYTES == SIGNATURE_BYTES, "signature_hex writes as many digits");
    if (!make_room_for_secret(wish, why)) {
        return false;
    }
    wish->secret_len = 2 * (size_t)RANDOM_BYTES;
    bool ok = RAND_bytes(bytes, sizeof(bytes)) == 1 ||
              result_fail(why, "OpenSSL has no random bytes to give");
    if (ok) {
        signature_hex(bytes, wish->secret);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}

/* Unbuffered, so that the secret does not stay behind in the stream. */
bool secret_wish_read(struct secret_wish *wish, FILE *in, const char *name, struct result *why)
{
    if (!make_room_for_secret(wish, why)) {
        return false;
    }
    setvbuf(in, NULL, _IONBF, 0);
    wish->secret_len = fread(wish->secret, 1, SECRET_INPUT_MAX + 1, in);
    if (ferror(in) != 0) {
        return result_fail(why, "%s: cannot read the secret", name);
    }
    return wish->secret_len <= SECRET_INPUT_MAX ||
           result_fail(why, "%s: holds more than one secret: over %zu bytes", name,
                       SECRET_INPUT_MAX);
}

/* N of an id "{today}-N", 1 of "{today}" itself, else 0. */
static unsigned long place_today(const char *id, const char *today)
{
    size_t len = strlen(today);
    if (strncmp(id, today, len) != 0 || (id[len] != '\0' && id[len] != '-')) {
        return 0;
    }
    size_t digits = id[len] == '-' ? strspn(id + len + 1, "0123456789") : 0;
    if (id[len] == '\0') {
        return 1;
    }
    return digits > 0 && digits < 10 && id[len + 1 + digits] == '\0'
               ? strtoul(id + len + 1, NULL, 10)
               : 0;
}

/* Today's date, with "-2" and so on behind it: behind the last of today, also where one before it
 * is gone, so that no id comes twice. */
static void choose_id(const struct key_list *list, char id[SIGNATURE_KEY_ID_MAX + 1])
{
    char iso[CLOCK_ISO_MAX];
    char today[11];
    unsigned long last = 0;
    clock_format_iso(clock_wall_ns(), iso);
    snprintf(today, sizeof(today), "%.10s", iso);
    for (size_t i = 0; i < list->n; i++) {
        unsigned long place = place_today(list->entries[i].id, today);
        last = place > last ? place : last;
    }
    snprintf(id, SIGNATURE_KEY_ID_MAX + 1, last == 0 ? "%s" : "%s-%lu", today, last + 1);
}

/* The secrets of the environment and of the secret file, which have no place in the ring file but
 * count as keys. */
struct singles {
    struct key_entry entries[SECRET_SINGLES_MAX];
    size_t n;
    bool unread; /* there is a secret file, and what it holds is not known */
};

static bool holds(const struct key_entry *entries, size_t n, const struct key_entry *wanted)
{
    for (size_t i = 0; i < n; i++) {
        if (key_entry_same_secret(&entries[i], wanted)) {
            return true;
        }
    }
    return false;
}

static void take_single(struct singles *singles, struct key_entry *entry)
{
    if (holds(singles->entries, singles->n, entry)) {
        key_entry_free(entry);
    } else {
        singles->entries[singles->n++] = *entry;
    }
}

static void read_singles(const struct config *config, struct singles *out)
{
    struct result unused;
    struct key_entry entry = {.secret = NULL};
    bool missing = false;
    const char *text = config->secrets.signing_secret;
    *out = (struct singles){.n = 0};
    if (text != NULL && key_entry_set_secret(&entry, slice_of(text), &unused)) {
        take_single(out, &entry);
    }
    out->unread = !secret_file_read(config->secrets.secret_file, &entry, &missing, &unused);
    if (!out->unread && !missing) {
        take_single(out, &entry);
    }
}

static void free_singles(struct singles *singles)
{
    for (size_t i = 0; i < singles->n; i++) {
        key_entry_free(&singles->entries[i]);
    }
}

/* Whether an entry governs a single secret: without it, that one would be accepted again. A secret
 * file that cannot be read may be the one. */
static bool governs_single(const struct key_entry *entry, const struct singles *singles)
{
    return singles->unread || holds(singles->entries, singles->n, entry);
}

/* The places that are taken, those of the single secrets that the ring does not hold among them. */
static size_t count_taken(const struct key_list *list, const struct singles *singles)
{
    size_t taken = list->n;
    for (size_t i = 0; i < singles->n; i++) {
        taken += !holds(list->entries, list->n, &singles->entries[i]);
    }
    return taken;
}

/* Drops the oldest key that has ended; false when there is none. */
static bool drop_oldest(struct secret_wish *wish, struct key_list *list,
                        const struct singles *singles)
{
    struct key_entry *oldest = NULL;
    for (size_t i = 0; i < list->n; i++) {
        struct key_entry *entry = &list->entries[i];
        if (key_entry_stage(entry, clock_wall_s()) == KEY_STAGE_ENDED &&
            (oldest == NULL || entry->created < oldest->created) &&
            !governs_single(entry, singles)) {
            oldest = entry;
        }
    }
    if (oldest == NULL || wish->n_dropped > SECRET_SINGLES_MAX) {
        return false;
    }
    memcpy(wish->dropped[wish->n_dropped++], oldest->id, sizeof(oldest->id));
    key_list_remove(list, oldest);
    return true;
}

/* A place for the new key, which is `made`, as far as keys that have ended can make one. */
static bool make_room(struct secret_wish *wish, struct key_list *list, const struct key_entry *made,
                      struct result *why)
{
    struct singles singles;
    read_singles(wish->config, &singles);
    /* One that is brought into the ring has its place already. */
    size_t more = !holds(singles.entries, singles.n, made);
    size_t taken = count_taken(list, &singles) + more;
    while (taken > KEY_LIST_MAX && drop_oldest(wish, list, &singles)) {
        taken--;
    }
    size_t outside = taken - more - list->n;
    free_singles(&singles);
    return taken <= KEY_LIST_MAX ||
           result_fail(why,
                       "a ring holds at most %d keys%s; revoke or retire one that nobody uses "
                       "(sigpostctl secret list): one that has ended makes room",
                       KEY_LIST_MAX,
                       outside != 0 ? ", the secret of the environment or the secret file counted"
                                    : "");
}

static bool find_room(struct secret_wish *wish, struct key_list *list, struct result *why)
{
    struct key_entry made = {.secret = NULL};
    bool ok = key_entry_set_secret(&made, slice_make(wish->secret, wish->secret_len), why) &&
              make_room(wish, list, &made, why);
    key_entry_free(&made);
    return ok;
}

struct key_entry *secret_wish_add(struct secret_wish *wish, struct key_list *list,
                                  struct result *why)
{
    if (wish->id != NULL) {
        snprintf(wish->made_id, sizeof(wish->made_id), "%s", wish->id);
    } else {
        choose_id(list, wish->made_id);
    }
    if (!find_room(wish, list, why)) {
        return NULL;
    }
    struct key_entry *entry = key_list_add(list, slice_of(wish->made_id),
                                           slice_make(wish->secret, wish->secret_len), why);
    if (entry == NULL) {
        return NULL;
    }
    entry->state = wish->state;
    entry->created = clock_wall_s();
    wish->made_len = entry->secret_len;
    return key_entry_set_label(entry, slice_of(wish->label), why) &&
                   key_entry_set_note(entry, slice_of(wish->note), why)
               ? entry
               : NULL;
}

void secret_wish_say(struct ctl *ctl, const struct secret_wish *wish)
{
    fprintf(ctl->out, "key %s is %s in %s\n", wish->made_id, key_state_word(wish->state),
            wish->config->secrets.keyring);
    if (wish->reveal) {
        fprintf(ctl->out, "secret %.*s\n", (int)wish->secret_len, wish->secret);
    }
    if (wish->made_len < KEY_SECRET_ADVISED) {
        ctl_warn(ctl, "the secret of key %s has %zu bytes; %d or more are advised", wish->made_id,
                 wish->made_len, KEY_SECRET_ADVISED);
    }
    for (size_t i = 0; i < wish->n_dropped; i++) {
        fprintf(ctl->out, "key %s, which had ended, is gone: a ring holds %d keys\n",
                wish->dropped[i], KEY_LIST_MAX);
    }
}

void secret_wish_free(struct secret_wish *wish)
{
    if (wish->secret != NULL) {
        OPENSSL_secure_clear_free(wish->secret, SECRET_INPUT_MAX + 1);
    }
    wish->secret = NULL;
}
