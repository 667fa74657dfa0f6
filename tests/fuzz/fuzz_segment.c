/* fuzz_segment.c: a segment file after any damage: no crash, no frame that was never written, and
 * every frame that the damage did not touch is found, in order.
 * Input: a script of bytes. First the frames: a count, then a length for each. Then changes until
 * the input ends: a kind, two bytes for a place, one for a value.
 */
#include "otlp/spool/segment.h"
#include "otlp/spool/segment_scan.h"
#include "otlp/spool/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ID UINT64_C(0x1122334455667788)
#define FRAMES 16
#define FILE_MAX (FRAMES * (SEGMENT_FRAME_LEN + 256) + SEGMENT_HEADER_LEN)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

struct script {
    const uint8_t *at;
    size_t left;
};

static uint8_t take(struct script *script)
{
    uint8_t value = script->left != 0 ? *script->at : 0;
    script->at += script->left != 0;
    script->left -= script->left != 0;
    return value;
}

struct written {
    size_t at[FRAMES + 1]; /* the last: the end */
    size_t n, len;
    uint8_t bytes[FILE_MAX];
};

/* Payloads hold the magic here and there: what looks like a frame inside one must not be taken for
 * one. */
static void write_frames(struct script *script, struct written *out)
{
    out->n = take(script) % (FRAMES + 1);
    out->len = SEGMENT_HEADER_LEN;
    for (size_t i = 0; i < out->n; i++) {
        size_t len = 1 + take(script);
        struct segment_frame frame = {.sequence = i + 1,
                                      .segment_id = ID,
                                      .total = (uint32_t)(SEGMENT_FRAME_LEN + len),
                                      .payload_len = (uint32_t)len,
                                      .signal = (uint8_t)(i % SIGNAL_COUNT)};
        uint8_t *at = out->bytes + out->len;
        uint8_t *payload = at + SEGMENT_FRAME_LEN;
        memset(payload, (int)(i * 37), len);
        for (size_t k = 0; k + SEGMENT_MAGIC_LEN <= len; k += 61) {
            memcpy(payload + k, segment_frame_magic, SEGMENT_MAGIC_LEN);
        }
        segment_frame_encode(&frame, segment_crc32c(0, payload, len), at);
        out->at[i] = out->len;
        out->len += frame.total;
    }
    out->at[out->n] = out->len;
}

/* Bits, runs of zeros, copies of other parts (no whole frame's), a shorter file. */
static size_t damage(struct script *script, uint8_t *bytes, size_t len)
{
    while (script->left >= 4 && len > SEGMENT_HEADER_LEN) {
        uint8_t kind = take(script);
        size_t place = take(script);
        place = SEGMENT_HEADER_LEN + (place << 8 | take(script)) % (len - SEGMENT_HEADER_LEN);
        uint8_t value = take(script);
        size_t room = len - place;
        size_t run = value < room ? value : room;
        switch (kind % 4) {
        case 0:
            bytes[place] ^= value;
            break;
        case 1:
            memset(bytes + place, 0, run);
            break;
        case 2:
            run = run < SEGMENT_FRAME_LEN ? run : SEGMENT_FRAME_LEN;
            memmove(bytes + place, bytes + SEGMENT_HEADER_LEN, run);
            break;
        default:
            len = place;
            break;
        }
    }
    return len;
}

/* What a reader does: frames, and on from damage. Each is checked against what was written; found[]
 * tells which came. */
static void scan(int fd, uint64_t id, size_t len, const struct written *was, bool *found)
{
    struct segment_scan scan = {0};
    struct segment_frame frame;
    const uint8_t *bytes;
    uint64_t next, before = 0;
    segment_scan_start(&scan, fd, id, SEGMENT_HEADER_LEN, len, 0);
    for (;;) {
        uint64_t pos = scan.pos;
        enum segment_step step = segment_scan_next(&scan, &frame, &bytes);
        require(step != SEGMENT_ERROR, "a file that can be read cannot be read");
        if (step == SEGMENT_FRAME) {
            require(frame.sequence > before && frame.sequence <= was->n, "a sequence of nobody");
            size_t i = (size_t)frame.sequence - 1;
            require(frame.total == was->at[i + 1] - was->at[i] &&
                        memcmp(bytes, was->bytes + was->at[i], frame.total) == 0,
                    "a frame that was never written");
            found[i] = pos == was->at[i]; /* a copy of it may stand elsewhere */
            before = frame.sequence;
        } else if (step == SEGMENT_BAD && segment_scan_resync(&scan, &next) == SEGMENT_FRAME) {
            require(next > scan.pos && next < len, "no way forward");
            scan.pos = next;
        } else {
            break;
        }
    }
    segment_scan_free(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct written was;
    static uint8_t now[FILE_MAX];
    static int fd = -1;
    struct script script = {data, size};
    if (fd < 0) {
        fd = memfd_create("segment", MFD_CLOEXEC);
        require(fd >= 0, "no memory file");
    }
    write_frames(&script, &was);
    memcpy(now, was.bytes, was.len);
    size_t len = damage(&script, now, was.len);
    require(ftruncate(fd, 0) == 0 && pwrite(fd, now, len, 0) == (ssize_t)len, "cannot write");
    for (int any = 0; any <= 1; any++) {
        bool found[FRAMES] = {false};
        scan(fd, any ? SEGMENT_ANY_ID : ID, len, &was, found);
        for (size_t i = 0; i < was.n; i++) {
            size_t at = was.at[i], end = was.at[i + 1];
            bool whole = end <= len && memcmp(now + at, was.bytes + at, end - at) == 0;
            require(whole == found[i],
                    whole ? "a sound frame was missed" : "a broken one was taken");
        }
    }
    return 0;
}
