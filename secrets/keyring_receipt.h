/* keyring_receipt.h: how a tool knows that the running gateway has taken a ring file.
 *
 * After each load the daemon leaves a receipt in its state directory, {state}/keyring.loaded: which
 * version of the ring file it read (inode, modification time, size: the tool renames a new file
 * into place each time), and whether it is in force. Daemon:
 *
 *     receipt = keyring_receipt_open(state_dir, &why);
 *     keyring_receipt_write(receipt, keyring);              // at the start, and after each reload
 *
 * Tool, when it has changed the ring file:
 *
 *     answer = keyring_receipt_wait(state_dir, ring_file, 5000, &why);
 *
 * The daemon holds a lock on the receipt (an open file description lock, gone with the process), so
 * that one which was left behind is told from one that is kept up to date.
 */
#ifndef SIGPOST_SECRETS_KEYRING_RECEIPT_H
#define SIGPOST_SECRETS_KEYRING_RECEIPT_H

#include "base/result.h"
#include "secrets/keyring.h"

struct keyring_receipt;

/* Makes the room for receipts; writes nothing yet. Only by the one that owns the state directory.
 * NULL when out of memory. */
struct keyring_receipt *keyring_receipt_open(const char *state_dir);

/* Writes what the last load of `keyring` read, and its outcome; nothing when that is what the
 * receipt says already. False and a sentence when it cannot be written: tools will say that the
 * gateway gave no answer. On the thread that reloads. */
bool keyring_receipt_write(struct keyring_receipt *receipt, struct keyring *keyring,
                           struct result *why);

/* Removes the receipt and the lock. NULL is fine. */
void keyring_receipt_close(struct keyring_receipt *receipt);

enum keyring_answer {
    KEYRING_NOBODY,  /* no gateway runs on this state directory */
    KEYRING_WAITING, /* one runs; it has not read this version of the ring file */
    KEYRING_TAKEN,   /* every request that is verified from now on is verified with it */
    KEYRING_REFUSED, /* it was read and found broken: the old ring is in force; *why says it */
};

/* The gateway's answer to ring_file as it is now. Never blocks for long. */
enum keyring_answer keyring_receipt_look(const char *state_dir, const char *ring_file,
                                         struct result *why);

/* The same, waiting up to timeout_ms for one other than KEYRING_WAITING. */
enum keyring_answer keyring_receipt_wait(const char *state_dir, const char *ring_file,
                                         unsigned timeout_ms, struct result *why);

#endif
