/* segment.c: see segment.h. */
#include "otlp/spool/segment.h"

#include "otlp/spool/spool.h"

#include <endian.h>
#include <inttypes.h>
#include <isa-l/crc.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1
#define FLAG_REUSED 1
#define FRAME_RECORD 1
#define HEADER_CRC_AT (SEGMENT_HEADER_LEN - 4)
#define FRAME_CRC_AT (SEGMENT_FRAME_LEN - 4)

static const char header_magic[8] = "SIGPSEG\n";

/* No UTF-8 text and no likely protobuf holds these four in a row. */
const uint8_t segment_frame_magic[SEGMENT_MAGIC_LEN] = {0xf5, 'S', 'g', 0xfe};

static void put32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static void put64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static uint64_t get64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

/* crc32_iscsi leaves out the inversion at both ends and takes an int length and an unqualified
 * pointer that it only reads. */
uint32_t segment_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len != 0) {
        size_t part = len < INT_MAX ? len : INT_MAX;
        crc = ~crc32_iscsi((unsigned char *)at, (int)part, ~crc);
        at += part;
        len -= part;
    }
    return crc;
}

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_LEN])
{
    memcpy(out, header_magic, sizeof(header_magic));
    put32(out + 8, VERSION);
    put32(out + 12, SEGMENT_HEADER_LEN);
    put64(out + 16, header->id);
    put64(out + 24, header->first_sequence);
    put64(out + 32, (uint64_t)header->made_ns);
    put32(out + 40, header->reused ? FLAG_REUSED : 0);
    put32(out + HEADER_CRC_AT, segment_crc32c(0, out, HEADER_CRC_AT));
}

bool segment_header_decode(const uint8_t in[SEGMENT_HEADER_LEN], struct segment_header *out)
{
    memset(out, 0, sizeof(*out));
    if (memcmp(in, header_magic, sizeof(header_magic)) != 0 || get32(in + 8) != VERSION ||
        get32(in + 12) != SEGMENT_HEADER_LEN || get64(in + 24) > SEGMENT_SEQUENCE_MAX ||
        get32(in + HEADER_CRC_AT) != segment_crc32c(0, in, HEADER_CRC_AT)) {
        return false;
    }
    out->id = get64(in + 16);
    out->first_sequence = get64(in + 24);
    out->made_ns = (int64_t)get64(in + 32);
    out->reused = (get32(in + 40) & FLAG_REUSED) != 0;
    return true;
}

void segment_frame_encode(const struct segment_frame *frame, uint32_t body_crc,
                          uint8_t out[SEGMENT_FRAME_LEN])
{
    memcpy(out, segment_frame_magic, SEGMENT_MAGIC_LEN);
    put32(out + 4, frame->total);
    put64(out + 8, frame->sequence);
    put64(out + 16, frame->segment_id);
    put64(out + 24, (uint64_t)frame->arrived_ns);
    put32(out + 32, frame->payload_len);
    put32(out + 36, frame->items);
    out[40] = frame->signal;
    out[41] = frame->session_len;
    out[42] = frame->key_id_len;
    out[43] = FRAME_RECORD;
    put32(out + FRAME_CRC_AT, segment_crc32c(body_crc, out, FRAME_CRC_AT));
}

bool segment_frame_decode(const uint8_t in[SEGMENT_FRAME_LEN], struct segment_frame *out)
{
    memset(out, 0, sizeof(*out));
    uint32_t payload_len = get32(in + 32);
    uint64_t total = (uint64_t)SEGMENT_FRAME_LEN + in[41] + in[42] + payload_len;
    if (memcmp(in, segment_frame_magic, SEGMENT_MAGIC_LEN) != 0 || in[43] != FRAME_RECORD ||
        in[40] >= SIGNAL_COUNT || in[41] > SPOOL_SESSION_MAX || in[42] > SPOOL_KEY_ID_MAX ||
        payload_len == 0 || payload_len > SEGMENT_PAYLOAD_MAX || get32(in + 4) != total ||
        get64(in + 8) > SEGMENT_SEQUENCE_MAX) {
        return false;
    }
    out->total = (uint32_t)total;
    out->sequence = get64(in + 8);
    out->segment_id = get64(in + 16);
    out->arrived_ns = (int64_t)get64(in + 24);
    out->payload_len = payload_len;
    out->items = get32(in + 36);
    out->signal = in[40];
    out->session_len = in[41];
    out->key_id_len = in[42];
    out->crc = get32(in + FRAME_CRC_AT);
    return true;
}

bool segment_frame_intact(const struct segment_frame *frame, const uint8_t *bytes)
{
    uint32_t crc = segment_crc32c(0, bytes + SEGMENT_FRAME_LEN, frame->total - SEGMENT_FRAME_LEN);
    return segment_crc32c(crc, bytes, FRAME_CRC_AT) == frame->crc;
}

void segment_name(uint64_t first_sequence, char out[SEGMENT_NAME_LEN + 1])
{
    snprintf(out, SEGMENT_NAME_LEN + 1, "%016" PRIx64 ".seg", first_sequence);
}

bool segment_name_parse(const char *name, uint64_t *first_sequence)
{
    uint64_t value = 0;
    *first_sequence = 0;
    for (size_t i = 0; i < 16; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    if (strcmp(name + 16, ".seg") != 0 || value > SEGMENT_SEQUENCE_MAX) {
        return false;
    }
    *first_sequence = value;
    return true;
}
