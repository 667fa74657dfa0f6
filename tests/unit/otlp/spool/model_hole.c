/* model_hole.c: see model_hole.h. */
#include "model_hole.h"

#include "model_disk.h"
#include "otlp/spool/segment_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define RECORDS_MAX 512 /* in a segment of the model */

struct place {
    uint64_t from, to;
    uint64_t number;
};

static int open_newest(const char *dir)
{
    char newest[SEGMENT_NAME_LEN + 1] = "", path[2 * DISK_PATH_MAX + SEGMENT_NAME_LEN];
    DIR *entries = opendir(dir);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        uint64_t first;
        if (segment_name_parse(entry->d_name, &first) && strcmp(entry->d_name, newest) > 0) {
            memcpy(newest, entry->d_name, sizeof(newest));
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    snprintf(path, sizeof(path), "%.*s/%s", 2 * DISK_PATH_MAX - 2, dir, newest);
    return newest[0] != '\0' ? open(path, O_RDWR | O_CLOEXEC) : -1;
}

/* The number is in the session: "session-7". */
static uint64_t number_of(const struct segment_frame *frame, const uint8_t *bytes)
{
    char session[256] = "";
    memcpy(session, bytes + SEGMENT_FRAME_LEN, frame->session_len);
    return strncmp(session, "session-", 8) == 0 ? strtoull(session + 8, NULL, 10) : 0;
}

/* All sound records of the file, earlier holes stepped over. */
static size_t find_records(int fd, struct place places[RECORDS_MAX])
{
    uint8_t bytes[SEGMENT_HEADER_LEN];
    struct segment_header header;
    struct segment_scan scan = {0};
    struct stat st;
    size_t n = 0;
    if (pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) || fstat(fd, &st) != 0 ||
        !segment_header_decode(bytes, &header)) {
        return 0;
    }
    segment_scan_start(&scan, fd, header.id, SEGMENT_HEADER_LEN, (uint64_t)st.st_size,
                       header.first_sequence - 1);
    for (enum segment_step step = SEGMENT_FRAME; step == SEGMENT_FRAME && n < RECORDS_MAX;) {
        struct segment_frame frame;
        const uint8_t *found;
        step = segment_scan_next(&scan, &frame, &found);
        if (step == SEGMENT_FRAME) {
            places[n++] =
                (struct place){scan.pos - frame.total, scan.pos, number_of(&frame, found)};
        } else if (step == SEGMENT_BAD) {
            step = segment_scan_resync(&scan, &scan.pos);
        }
    }
    segment_scan_free(&scan);
    return n;
}

size_t model_hole(const char *dir, uint64_t *random, uint64_t lost[HOLE_LOST_MAX])
{
    static const uint8_t zeros[SECTOR];
    struct place places[RECORDS_MAX];
    size_t hit = 0;
    int fd = open_newest(dir);
    size_t n = fd >= 0 ? find_records(fd, places) : 0;
    if (n >= 2) {
        uint64_t end = places[n - 1].from;
        uint64_t from = disk_below(random, (end + SECTOR - 1) / SECTOR) * SECTOR;
        uint64_t to = from + SECTOR < end ? from + SECTOR : end;
        if (pwrite(fd, zeros, to - from, (off_t)from) != (ssize_t)(to - from) ||
            fdatasync(fd) != 0) {
            abort();
        }
        for (size_t i = 0; i < n; i++) {
            if (places[i].from < to && places[i].to > from && hit < HOLE_LOST_MAX) {
                lost[hit++] = places[i].number;
            }
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return hit;
}
