/* reuse_fixture.h: a spool whose newest segment is made of a file that held an earlier one, and the
 * image of it that a crash would leave. */
#ifndef SIGPOST_TESTS_REUSE_FIXTURE_H
#define SIGPOST_TESTS_REUSE_FIXTURE_H

#include "spool_fixture.h"

#include <criterion/criterion.h>

#define LONG 4000 /* a payload; 15 of them fill a segment */

static struct fixture f, image;

static FIXTURE_UNUSED void setup(void)
{
    fixture_start_in_memory(&f);
    fixture_start_in_memory(&image);
}

static FIXTURE_UNUSED void teardown(void)
{
    fixture_empty(f.dir);
    fixture_empty(image.dir);
}

static FIXTURE_UNUSED ino_t inode_of(const struct fixture *of, const char *name, off_t *size)
{
    char path[512];
    struct stat st = {0};
    path_in(of, name, path);
    if (stat(path, &st) != 0) {
        return 0;
    }
    if (size != NULL) {
        *size = st.st_size;
    }
    return st.st_ino;
}

static FIXTURE_UNUSED void append_all(uint64_t from, uint64_t to)
{
    for (uint64_t number = from; number <= to; number++) {
        cr_assert_eq(append_one(&f, number, LONG), SPOOL_DURABLE);
    }
}

/* Reads [from, to], says so, and waits until what was passed is retired. */
static FIXTURE_UNUSED void pass(struct spool_reader *reader, uint64_t from, uint64_t to)
{
    cr_assert(reads_range(reader, from, to));
    spool_reader_ack(reader, UINT64_MAX);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
}

static FIXTURE_UNUSED struct segment_header header_of(const char *bytes)
{
    struct segment_header header;
    cr_assert(segment_header_decode((const uint8_t *)bytes, &header));
    return header;
}

/* Waits for the keeper to leave a file for the next segment. */
static FIXTURE_UNUSED ino_t wait_for_spare(off_t *size)
{
    ino_t spare = 0;
    for (int i = 0; i < 500 && (spare = inode_of(&f, "spare.seg.tmp", size)) == 0; i++) {
        usleep(10000);
    }
    cr_assert_neq(spare, 0, "no file was kept");
    return spare;
}

/* Leaves f open with records up to *last: its newest segment, `name`, is made of an earlier one's
 * file and holds [*first, *last]; all before is acknowledged. */
static FIXTURE_UNUSED struct spool_reader *reused(char name[256], uint64_t *first, uint64_t *last)
{
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    append_all(1, 20);
    pass(reader, 1, 20);
    ino_t spare = wait_for_spare(NULL);
    append_all(21, 33);
    count_files(&f, ".", ".seg", name);
    cr_assert_eq(inode_of(&f, name, NULL), spare, "it was not used");
    cr_assert_eq(inode_of(&f, "spare.seg.tmp", NULL), 0);
    *first = strtoull(name, NULL, 16);
    *last = 33;
    return reader;
}

/* What a power cut would leave, all writes done: every segment and cursor as it is now. */
static FIXTURE_UNUSED void take_image(void)
{
    fixture_empty(image.dir);
    cr_assert_eq(mkdir(image.dir, 0700), 0);
    DIR *dir = opendir(f.dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        size_t len;
        if (strstr(entry->d_name, ".seg") == NULL && strncmp(entry->d_name, "cursor.", 7) != 0) {
            continue;
        }
        path_in(&f, entry->d_name, path);
        char *bytes = load_file(path, &len);
        path_in(&image, entry->d_name, path);
        save_file(path, bytes, len);
        free(bytes);
    }
    closedir(dir);
}

static FIXTURE_UNUSED void plant(const char *name, const char *bytes, size_t len)
{
    char path[512];
    fixture_empty(image.dir);
    cr_assert_eq(mkdir(image.dir, 0700), 0);
    path_in(&image, name, path);
    save_file(path, bytes, len);
}

/* Opens the image: reads [first, first + n) and no other record; n, and what was counted. */
static FIXTURE_UNUSED unsigned records_of_image(uint64_t first, uint64_t *quarantined)
{
    fixture_open(&image, NULL);
    struct spool_reader *reader = reader_open(&image, "fresh");
    unsigned n = 0;
    uint64_t sequence, number;
    while ((number = read_one(reader, &sequence)) != 0) {
        cr_assert_eq(number, first + n);
        n++;
    }
    cr_assert_eq(sequence, 0, "bytes that were never appended");
    *quarantined = stats_of(&image).quarantined;
    spool_reader_close(reader);
    fixture_close(&image);
    return n;
}

#endif
