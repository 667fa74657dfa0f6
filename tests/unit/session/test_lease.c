/* Leases: who gets one, what keeps it, what ends it, the bounds, and long random lives against a
 * model that is too simple to be wrong.
 */
#include "session/lease.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define GAP LEASE_GAP_NS
#define DAY (86400 * NS_PER_SECOND)

struct mac {
    uint8_t bytes[LEASE_MAC_LEN];
};

static struct mac mac(unsigned n)
{
    struct mac m;
    memset(m.bytes, 0x5a, sizeof(m.bytes));
    m.bytes[31] = (uint8_t)n; /* different in the last byte only */
    return m;
}

static void grant(struct lease *lease, const char *session, unsigned n, int64_t now_ns)
{
    struct mac m = mac(n);
    lease_grant(lease, slice_of(session), m.bytes, now_ns);
}

static bool use(struct lease *lease, const char *session, unsigned n, int64_t now_ns)
{
    struct mac m = mac(n);
    return lease_use(lease, slice_of(session), m.bytes, now_ns, DAY);
}

Test(lease, the_signature_that_was_fresh_goes_on)
{
    struct lease *lease = lease_create(100);
    cr_expect(!use(lease, "a", 1, 0), "nothing was fresh");
    grant(lease, "a", 1, 0);
    cr_expect(use(lease, "a", 1, 1));
    cr_expect(!use(lease, "a", 2, 1), "another signature");
    cr_expect(!use(lease, "b", 1, 1), "another session");
    cr_expect(!use(lease, "aa", 1, 1));
    cr_expect_eq(lease_count(lease), 1);
    lease_destroy(lease);
    lease_destroy(NULL);
}

Test(lease, every_byte_of_the_signature_counts)
{
    struct lease *lease = lease_create(100);
    grant(lease, "a", 1, 0);
    for (size_t i = 0; i < LEASE_MAC_LEN; i++) {
        struct mac m = mac(1);
        m.bytes[i] ^= 0x80;
        cr_expect(!lease_use(lease, SLICE_LIT("a"), m.bytes, 0, DAY), "byte %zu", i);
    }
    lease_destroy(lease);
}

Test(lease, it_lives_while_the_session_is_heard)
{
    struct lease *lease = lease_create(100);
    grant(lease, "a", 1, 0);
    cr_expect(use(lease, "a", 1, GAP));
    cr_expect(use(lease, "a", 1, 2 * GAP));
    cr_expect(!use(lease, "a", 1, 3 * GAP + 1));
    cr_expect_eq(lease_count(lease), 0, "what fell silent is freed");
    cr_expect(!use(lease, "a", 1, 2 * GAP), "and stays so");
    grant(lease, "a", 1, 4 * GAP);
    cr_expect(use(lease, "a", 1, 5 * GAP), "a fresh one begins anew");
    lease_destroy(lease);
}

/* Spans come when there are some; metrics come each minute and hold the session. */
Test(lease, any_signature_of_the_session_keeps_the_others)
{
    struct lease *lease = lease_create(100);
    grant(lease, "a", 1, 0);
    grant(lease, "a", 2, 0);
    for (int i = 1; i <= 10; i++) {
        cr_expect(use(lease, "a", 1, i * GAP));
    }
    cr_expect(use(lease, "a", 2, 10 * GAP));
    grant(lease, "a", 3, 11 * GAP);
    cr_expect(use(lease, "a", 2, 12 * GAP), "a fresh request is heard too");
    lease_destroy(lease);
}

Test(lease, a_refused_use_keeps_nothing)
{
    struct lease *lease = lease_create(100);
    grant(lease, "a", 1, 0);
    cr_expect(!use(lease, "a", 9, GAP));
    cr_expect(!use(lease, "a", 1, GAP + 1));
    lease_destroy(lease);
}

Test(lease, what_lapsed_does_not_come_back_with_a_new_signature)
{
    struct lease *lease = lease_create(100);
    grant(lease, "a", 1, 0);
    grant(lease, "a", 2, GAP + 1);
    cr_expect(!use(lease, "a", 1, GAP + 1));
    cr_expect(use(lease, "a", 2, GAP + 1));
    lease_destroy(lease);
}

Test(lease, it_ends_when_its_length_is_over)
{
    struct lease *lease = lease_create(100);
    struct mac one = mac(1);
    const int64_t length = 2 * GAP;
    grant(lease, "a", 1, 0);
    grant(lease, "a", 1, 100); /* the length counts from the last fresh use */
    grant(lease, "a", 1, 50);  /* told late: takes nothing back */
    cr_expect(lease_use(lease, SLICE_LIT("a"), one.bytes, GAP + 100, length));
    cr_expect(lease_use(lease, SLICE_LIT("a"), one.bytes, length + 100, length));
    cr_expect(!lease_use(lease, SLICE_LIT("a"), one.bytes, length + 101, length));
    cr_expect(lease_use(lease, SLICE_LIT("a"), one.bytes, length + 101, DAY),
              "a reload may lengthen");
    cr_expect(!lease_use(lease, SLICE_LIT("a"), one.bytes, length + 101, 0), "0 is off");
    cr_expect(!lease_use(lease, SLICE_LIT("a"), one.bytes, length + 101, -1));
    lease_destroy(lease);
}

Test(lease, each_signature_has_its_own_length)
{
    struct lease *lease = lease_create(100);
    struct mac one = mac(1);
    struct mac two = mac(2);
    grant(lease, "a", 1, 0);
    grant(lease, "a", 2, GAP);
    cr_expect(lease_use(lease, SLICE_LIT("a"), two.bytes, 2 * GAP, 2 * GAP));
    cr_expect(!lease_use(lease, SLICE_LIT("a"), one.bytes, 2 * GAP + 1, 2 * GAP));
    cr_expect(lease_use(lease, SLICE_LIT("a"), two.bytes, 3 * GAP, 2 * GAP));
    lease_destroy(lease);
}

Test(lease, no_session_no_lease)
{
    struct lease *lease = lease_create(100);
    char longest[LEASE_SESSION_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    struct mac one = mac(1);
    struct slice none[] = {{NULL, 0}, {"", 0}, {longest, LEASE_SESSION_MAX + 1}};
    for (size_t i = 0; i < 3; i++) {
        lease_grant(lease, none[i], one.bytes, 0);
        cr_expect(!lease_use(lease, none[i], one.bytes, 0, DAY));
    }
    cr_expect_eq(lease_count(lease), 0);
    struct slice fits = slice_make(longest, LEASE_SESSION_MAX);
    lease_grant(lease, fits, one.bytes, 0);
    cr_expect(lease_use(lease, fits, one.bytes, 0, DAY));
    lease_destroy(lease);
}

Test(lease, the_last_four_signatures_are_kept)
{
    struct lease *lease = lease_create(100);
    for (unsigned n = 1; n <= 4; n++) {
        grant(lease, "a", n, n);
    }
    grant(lease, "a", 1, 5); /* fresh again: 2 is now the oldest */
    grant(lease, "a", 5, 6);
    cr_expect(!use(lease, "a", 2, 7));
    for (unsigned n = 1; n <= 5; n++) {
        cr_expect_eq(use(lease, "a", n, 7), n != 2, "%u", n);
    }
    lease_destroy(lease);
}

Test(lease, the_idlest_makes_room)
{
    struct lease *lease = lease_create(2);
    grant(lease, "a", 1, 0);
    grant(lease, "b", 1, 1);
    cr_expect(use(lease, "a", 1, 2));
    grant(lease, "c", 1, 3);
    cr_expect_eq(lease_count(lease), 2);
    cr_expect(!use(lease, "b", 1, 4));
    cr_expect(use(lease, "a", 1, 4));
    cr_expect(use(lease, "c", 1, 4));
    lease_destroy(lease);
    lease = lease_create(0);
    grant(lease, "a", 1, 0);
    grant(lease, "b", 1, 0);
    cr_expect_eq(lease_count(lease), 1);
    cr_expect(use(lease, "b", 1, 0));
    lease_destroy(lease);
}

static const char *name(char text[64], size_t n)
{
    snprintf(text, 64, "%08zx-1111-2222-3333-%012zx", n, n * 7919);
    return text;
}

Test(lease, the_silent_are_freed)
{
    struct lease *lease = lease_create(100000);
    char text[64];
    for (size_t n = 0; n < 5000; n++) {
        grant(lease, name(text, n), 1, (int64_t)n);
    }
    cr_expect_eq(lease_count(lease), 5000);
    cr_expect_eq(lease_expire(lease, GAP), 0);
    cr_expect_eq(lease_expire(lease, GAP + 1), 1);
    cr_expect_eq(lease_expire(lease, GAP + 4000), 3999);
    cr_expect_eq(lease_count(lease), 1000);
    cr_expect(!use(lease, name(text, 3999), 1, GAP + 4000));
    cr_expect(use(lease, name(text, 4000), 1, GAP + 4000));
    cr_expect_eq(lease_expire(lease, 2 * GAP + 4000), 999);
    cr_expect_eq(lease_expire(lease, 2 * GAP + 4001), 1);
    cr_expect_eq(lease_count(lease), 0);
    lease_destroy(lease);
}

Test(lease, off_ends_them_all_for_good)
{
    struct lease *lease = lease_create(100000);
    char text[64];
    size_t before = mallinfo2().uordblks;
    for (size_t n = 0; n < 5000; n++) {
        grant(lease, name(text, n), 1, 0);
    }
    lease_switch(lease, true);
    cr_expect_eq(lease_count(lease), 5000, "on as it was");
    lease_switch(lease, false);
    cr_expect_eq(lease_count(lease), 0);
    cr_expect_leq(mallinfo2().uordblks, before + 5000, "freed");
    cr_expect(!use(lease, name(text, 7), 1, 1));
    lease_switch(lease, false);
    lease_switch(lease, true);
    for (size_t n = 0; n < 5000; n++) {
        cr_assert(!use(lease, name(text, n), 1, 1), "came back: %s", text);
    }
    grant(lease, name(text, 7), 1, 2);
    cr_expect(use(lease, name(text, 7), 1, 3), "a new one");
    cr_expect_eq(lease_expire(lease, 4 + GAP), 1, "the list is whole");
    lease_destroy(lease);
}

/* By one whose configuration was read before the switch. */
Test(lease, off_grants_nothing)
{
    struct lease *lease = lease_create(100);
    lease_switch(lease, false);
    grant(lease, "a", 1, 0);
    cr_expect_eq(lease_count(lease), 0);
    lease_switch(lease, true);
    cr_expect(!use(lease, "a", 1, 1));
    lease_destroy(lease);
}

Test(lease, memory_is_bounded)
{
    const size_t max = 20000;
    struct lease *lease = lease_create(max);
    char text[64];
    size_t before = mallinfo2().uordblks;
    for (size_t n = 0; n < 3 * max; n++) {
        grant(lease, name(text, n), 1, (int64_t)n);
    }
    size_t took = mallinfo2().uordblks - before;
    cr_expect_leq(lease_count(lease), max);
    cr_expect_gt(lease_count(lease), max - max / 10);
    cr_expect_leq(took, max * 272, "%zu bytes a session", took / max);
    lease_destroy(lease);
}

/* The model: all sessions and signatures, each with its times. */
#define MODEL_SESSIONS 6
#define MODEL_MACS 7

struct model {
    bool there[MODEL_SESSIONS];
    int64_t heard_ns[MODEL_SESSIONS];
    unsigned heard_as[MODEL_SESSIONS];
    int64_t fresh_ns[MODEL_SESSIONS][MODEL_MACS]; /* below 0: no lease */
};

static void model_forget(struct model *m, unsigned s)
{
    m->there[s] = false;
    for (size_t i = 0; i < MODEL_MACS; i++) {
        m->fresh_ns[s][i] = -1;
    }
}

static void model_make_room(struct model *m, size_t max)
{
    size_t count = 0;
    unsigned idlest = MODEL_SESSIONS;
    for (unsigned s = 0; s < MODEL_SESSIONS; s++) {
        count += m->there[s];
        if (m->there[s] && (idlest == MODEL_SESSIONS || m->heard_as[s] < m->heard_as[idlest])) {
            idlest = s;
        }
    }
    if (count >= max) {
        model_forget(m, idlest);
    }
}

static void model_grant(struct model *m, size_t max, unsigned s, unsigned n, int64_t now_ns,
                        unsigned step)
{
    if (m->there[s] && now_ns - m->heard_ns[s] > GAP) {
        model_forget(m, s);
    } else if (!m->there[s]) {
        model_make_room(m, max);
    }
    m->there[s] = true;
    m->heard_ns[s] = now_ns;
    m->heard_as[s] = step;
    size_t others = 0;
    unsigned oldest = MODEL_MACS;
    for (unsigned i = 0; i < MODEL_MACS; i++) {
        if (i != n && m->fresh_ns[s][i] >= 0) {
            others++;
            oldest =
                oldest == MODEL_MACS || m->fresh_ns[s][i] < m->fresh_ns[s][oldest] ? i : oldest;
        }
    }
    if (m->fresh_ns[s][n] < 0 && others == LEASE_SIGNATURES) {
        m->fresh_ns[s][oldest] = -1;
    }
    m->fresh_ns[s][n] = now_ns;
}

static bool model_use(struct model *m, unsigned s, unsigned n, int64_t now_ns, int64_t length_ns,
                      unsigned step)
{
    if (!m->there[s]) {
        return false;
    }
    if (now_ns - m->heard_ns[s] > GAP) {
        model_forget(m, s);
        return false;
    }
    if (m->fresh_ns[s][n] < 0 || now_ns - m->fresh_ns[s][n] > length_ns) {
        return false;
    }
    m->heard_ns[s] = now_ns;
    m->heard_as[s] = step;
    return true;
}

static unsigned random_below(uint64_t *state, unsigned below)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(*state >> 33) % below;
}

static void live(size_t max, uint64_t state)
{
    static const char *const names[MODEL_SESSIONS] = {"a", "b", "c", "d", "e", "f"};
    struct model m;
    for (unsigned s = 0; s < MODEL_SESSIONS; s++) {
        model_forget(&m, s);
    }
    struct lease *lease = lease_create(max);
    int64_t now_ns = 0;
    for (unsigned step = 0; step < 3000; step++) {
        now_ns += 1 + random_below(&state, 4) * (GAP / 8);
        now_ns += random_below(&state, 60) == 0 ? GAP - 2 : 0;
        unsigned s = random_below(&state, MODEL_SESSIONS);
        unsigned n = random_below(&state, MODEL_MACS);
        struct mac the_mac = mac(n);
        if (random_below(&state, 3) == 0) {
            model_grant(&m, max, s, n, now_ns, step);
            lease_grant(lease, slice_of(names[s]), the_mac.bytes, now_ns);
        } else {
            bool wanted = model_use(&m, s, n, now_ns, 3 * GAP, step);
            bool got = lease_use(lease, slice_of(names[s]), the_mac.bytes, now_ns, 3 * GAP);
            cr_assert_eq(got, wanted, "max %zu, step %u", max, step);
        }
        size_t count = 0;
        for (unsigned i = 0; i < MODEL_SESSIONS; i++) {
            count += m.there[i];
        }
        cr_assert_eq(lease_count(lease), count, "max %zu, step %u", max, step);
    }
    lease_destroy(lease);
}

Test(lease, long_lives_as_the_model_has_them)
{
    for (size_t max = 1; max <= MODEL_SESSIONS + 1; max++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            live(max, seed * 7919 + max);
        }
    }
}

static atomic_size_t refused;

static void *work(void *arg)
{
    struct lease *lease = arg;
    char text[64];
    for (unsigned i = 0; i < 20000; i++) {
        const char *session = name(text, i % 50);
        grant(lease, session, 1, i);
        atomic_fetch_add(&refused, !use(lease, session, 1, i));
        lease_expire(lease, i);
    }
    return NULL;
}

Test(lease, threads)
{
    struct lease *lease = lease_create(4096);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, work, lease);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(atomic_load(&refused), 0);
    cr_expect_eq(lease_count(lease), 50);
    lease_destroy(lease);
}
