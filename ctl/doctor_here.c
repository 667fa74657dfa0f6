/* doctor_here.c: keyring, state directory and spool as they lie on this machine; see doctor.h. */
#include "ctl/doctor.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FREE_BYTES_MIN (UINT64_C(64) * 1024 * 1024)

static void look_at_keys(struct doctor *doctor)
{
    struct result why = RESULT_INIT;
    struct keyring_counts counts;
    const struct keyring_sources sources = ctl_sources(doctor->config);
    doctor->keys.ring = keyring_open(&sources, NULL, &why);
    if (doctor->keys.ring == NULL) {
        doctor_add(doctor, "keyring", DOCTOR_FIX, "%s%s", why.text, ctl_remedy(&why));
        return;
    }
    doctor->keys.reader = keyring_reader_create(doctor->keys.ring);
    keyring_counts(doctor->keys.ring, clock_wall_s(), &counts);
    if (counts.active == 0) {
        doctor_add(doctor, "keyring", DOCTOR_FIX,
                   "no key is accepted now (%zu not valid yet, %zu ended); see sigpostctl secret "
                   "list, then: sigpostctl secret %s",
                   counts.pending, counts.ended,
                   counts.pending + counts.ended == 0 ? "init" : "add");
        return;
    }
    doctor_add(doctor, "keyring", DOCTOR_GOOD,
               "%zu accepted, %zu not valid yet, %zu ended; the ring file is its owner's alone",
               counts.active, counts.pending, counts.ended);
}

/* The ring is written by root and read by the service's user: who owns the state directory owns the
 * ring. */
static bool owner_differs(const struct stat *state, const char *ring_file)
{
    struct stat ring;
    return ring_file != NULL && stat(ring_file, &ring) == 0 && ring.st_uid != state->st_uid &&
           state->st_uid != 0;
}

static void look_at_state(struct doctor *doctor, const char *dir)
{
    struct stat info;
    struct result why = RESULT_INIT;
    const char *ring_file = doctor->config->secrets.keyring;
    int error = stat(dir, &info) != 0 ? errno : 0;
    if (error == ENOENT) {
        doctor_add(doctor, "state", DOCTOR_SKIPPED,
                   "%s is not here (%s): run doctor where the gateway runs, with its "
                   "configuration, to have its disk looked at",
                   dir, strerror(error));
    } else if (error != 0) {
        result_fail_errno(&why, error, "%s", dir);
        doctor_add(doctor, "state", DOCTOR_FIX, "%s%s", why.text, ctl_remedy(&why));
    } else if (!S_ISDIR(info.st_mode)) {
        doctor_add(doctor, "state", DOCTOR_FIX, "%s is no directory: set state.dir to one", dir);
    } else if ((info.st_mode & 077) != 0) {
        doctor_add(doctor, "state", DOCTOR_FIX,
                   "%s has mode %04o, which lets others at keys and telemetry; run: chmod 700 %s",
                   dir, (unsigned)info.st_mode & 07777U, dir);
    } else if (owner_differs(&info, ring_file)) {
        doctor_add(doctor, "state", DOCTOR_FIX,
                   "%s is not owned by the owner of %s, who has to read it; run: chown "
                   "--reference=%s %s",
                   ring_file, dir, dir, ring_file);
    } else {
        doctor_add(doctor, "state", DOCTOR_GOOD, "%s has mode %04o", dir,
                   (unsigned)info.st_mode & 07777U);
    }
}

/* As the one who asks: for root, whether the file system takes writes at all. */
static void look_at_spool(struct doctor *doctor, const char *state)
{
    char dir[PATH_MAX];
    struct statvfs disk;
    struct stat info;
    struct result why = RESULT_INIT;
    snprintf(dir, sizeof(dir), "%s/spool", state);
    if (stat(dir, &info) != 0) {
        bool missing = errno == ENOENT;
        result_fail_errno(&why, errno, "%s", dir);
        doctor_add(doctor, "spool", missing ? DOCTOR_SKIPPED : DOCTOR_FIX, "%s%s", why.text,
                   missing ? "; the gateway makes it when it starts" : ctl_remedy(&why));
        return;
    }
    if (access(dir, W_OK | X_OK) != 0) {
        doctor_add(doctor, "spool", DOCTOR_FIX,
                   "%s cannot be written: %s; its owner must be the gateway's user, its mode 0700, "
                   "its file system mounted for writing",
                   dir, strerror(errno));
        return;
    }
    if (statvfs(dir, &disk) != 0) {
        doctor_add(doctor, "spool", DOCTOR_FIX, "%s: %s", dir, strerror(errno));
        return;
    }
    uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (left < FREE_BYTES_MIN) {
        doctor_add(doctor, "spool", DOCTOR_FIX,
                   "%s: %" PRIu64 " MiB are left on its disk; the gateway refuses data when none "
                   "are: make room, or lower spool.max_bytes",
                   dir, left >> 20);
        return;
    }
    doctor_add(doctor, "spool", DOCTOR_GOOD, "%s can be written, %" PRIu64 " MiB are left on disk",
               dir, left >> 20);
}

void doctor_look_here(struct doctor *doctor)
{
    look_at_keys(doctor);
    look_at_state(doctor, doctor->config->state.dir);
    look_at_spool(doctor, doctor->config->state.dir);
}
