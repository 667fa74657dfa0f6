/* segment.h: the bytes of a segment file: a header, then frames, then zeros or the end of the file;
 * in a file that held another segment before, an end mark of zeros and remains of that one.
 *
 * All integers little-endian. CRC32C (Castagnoli) as in iSCSI; "123456789" gives 0xe3069283.
 *
 *     header, 48 bytes                          frame header, 48 bytes
 *      0  8  magic "SIGPSEG\n"                   0  4  magic
 *      8  4  version (1)                         4  4  length of the whole frame
 *     12  4  length of this header (48)          8  8  sequence
 *     16  8  segment id, random                 16  8  segment id
 *     24  8  first sequence                     24  8  arrival, ns since the Unix epoch
 *     32  8  made at, ns since the Unix epoch   32  4  payload length
 *     40  4  flags (1: the file is reused)      36  4  items in the payload, 0: not known
 *     44  4  CRC32C of the 44 bytes before      40  1  signal
 *                                               41  1  session length
 *                                               42  1  key id length
 *                                               43  1  frame type (1: record)
 *                                               44  4  CRC32C
 *                                               48     session, key id, payload
 *
 * A frame's CRC covers the part behind its header first and then the header's first 44 bytes: the
 * long part is summed by whoever brings the record, the header by the writer, who alone knows the
 * sequence. The random segment id in each frame keeps payloads that look like frames, and frames of
 * another file, from being taken for frames of this one. Remains of an earlier segment are told by
 * it twice over: their sequences are below the first of this one, too.
 *
 * Pure; bytes are never cast to structs. Thread: any.
 */
#ifndef SIGPOST_OTLP_SEGMENT_H
#define SIGPOST_OTLP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_HEADER_LEN 48
#define SEGMENT_FRAME_LEN 48 /* of a frame's header */
#define SEGMENT_MAGIC_LEN 4
/* No payload is longer; a length that says so is damage. The largest body that can be configured is
 * half of it. */
#define SEGMENT_PAYLOAD_MAX ((uint32_t)128 << 20)
#define SEGMENT_END_LEN SEGMENT_FRAME_LEN /* of the end mark; less where the file ends before */
/* Larger sequences are damage; it keeps sums of them from wrapping. */
#define SEGMENT_SEQUENCE_MAX (UINT64_MAX / 4)

struct segment_header {
    uint64_t id;
    uint64_t first_sequence;
    int64_t made_ns;
    bool reused; /* behind the frames: an end mark, then anything */
};

struct segment_frame {
    uint64_t sequence;
    uint64_t segment_id;
    int64_t arrived_ns;
    uint32_t total; /* header included */
    uint32_t payload_len;
    uint32_t items;
    uint8_t signal;
    uint8_t session_len;
    uint8_t key_id_len;
    uint32_t crc;
};

extern const uint8_t segment_frame_magic[SEGMENT_MAGIC_LEN];

/* CRC32C of what `crc` stands for (0 for nothing) with `len` bytes behind it. */
uint32_t segment_crc32c(uint32_t crc, const void *bytes, size_t len);

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_LEN]);
/* False when magic, version or checksum do not fit; *out is zero then. */
bool segment_header_decode(const uint8_t in[SEGMENT_HEADER_LEN], struct segment_header *out);

/* Writes the header and its checksum over `body_crc`, the CRC of session, key id and payload;
 * frame->crc is not looked at. */
void segment_frame_encode(const struct segment_frame *frame, uint32_t body_crc,
                          uint8_t out[SEGMENT_FRAME_LEN]);

/* Is this the header of a record that can be? Magic, type, signal and lengths are checked, the
 * checksum is not: it needs the whole frame. *out is zero when false. */
bool segment_frame_decode(const uint8_t in[SEGMENT_FRAME_LEN], struct segment_frame *out);

/* Does the checksum hold? bytes: frame->total bytes, the header first. */
bool segment_frame_intact(const struct segment_frame *frame, const uint8_t *bytes);

#define SEGMENT_NAME_LEN 20 /* "0123456789abcdef.seg" */

void segment_name(uint64_t first_sequence, char out[SEGMENT_NAME_LEN + 1]);
/* True when the name is a segment's, and its first sequence. */
bool segment_name_parse(const char *name, uint64_t *first_sequence);

#endif
