/* lobby_internal.h: what the files of session/lobby share; nobody else includes it.
 *
 * lobby.c         the machine: people, their ends, the offers
 * lobby_visit.c   what people do
 * presence.c      people with a name
 * lobby_store.c   all of it as bytes, and as a file
 */
#ifndef SIGPOST_SESSION_LOBBY_INTERNAL_H
#define SIGPOST_SESSION_LOBBY_INTERNAL_H

#include "session/lobby.h"
#include "session/presence.h"

/* A person's name and what they look at; owned by the person. */
struct lobby_name {
    int64_t since_ns; /* of the target */
    char user[PRESENCE_USER_MAX + 1];
    char target[PRESENCE_TARGET_MAX + 1];
};

struct person {
    struct lobby_key key;
    int64_t since_ns;        /* of the slot, or of the place in line */
    int64_t touched_ns;      /* last sign of life */
    int64_t until_ns;        /* of the offer */
    struct lobby_name *name; /* NULL: a browser */
    bool offered;
    bool told;   /* has been heard of since the offer was made */
    bool passed; /* did not show up for an offer, and has not been heard of since */
};

/* A dense array: of slots in any order, of the line in its order. */
struct people {
    struct person *all; /* owned */
    size_t n;
    size_t cap;
};

#define LOBBY_LENGTHS 16

struct lobby {
    struct lobby_limits limits;
    struct people inside;
    struct people line;
    unsigned offers;
    int64_t due_ns; /* nothing ends and nothing is to be offered before */
    uint64_t changes;
    uint64_t touches;
    int64_t lengths[LOBBY_LENGTHS]; /* how long the last slots were held: a ring */
    uint32_t n_lengths;
    uint32_t next_length;
};

/* Ends what is over, and makes the offers that can be made. Places in both arrays may move. */
unsigned lobby_settle(struct lobby *lobby, int64_t now_ns);

/* NULL: nobody. */
struct person *lobby_find_id(struct people *people, const uint64_t id[2]);
struct person *lobby_find_user(struct people *people, struct slice user);

/* Appends a copy; false when out of memory. */
bool people_add(struct people *people, const struct person *person);

/* Ends a slot or a place in line, and frees the name. */
void lobby_end_slot(struct lobby *lobby, struct person *person, int64_t now_ns);
void lobby_end_place(struct lobby *lobby, struct person *person);

/* Puts someone of the line into a slot that is free. False when out of memory. */
bool lobby_admit(struct lobby *lobby, struct person *person, int64_t now_ns);

/* The next lobby_settle looks at everything. */
static inline void lobby_stir(struct lobby *lobby)
{
    lobby->due_ns = INT64_MIN;
}

/* A new place in line; false when it is full or memory ran out. */
bool lobby_append(struct lobby *lobby, const struct person *person, int64_t now_ns);

/* A sign of life of someone in line, who may have moved afterwards, or be inside. */
void lobby_hear(struct lobby *lobby, struct person *person, int64_t now_ns);

/* How things look to the person of this id (NULL: to a stranger). */
void lobby_describe(struct lobby *lobby, const uint64_t *id, struct lobby_view *out);

#endif
