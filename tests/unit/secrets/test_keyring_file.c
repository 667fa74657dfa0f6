/* test_keyring_file.c: the ring file and the single-secret file, read and written. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>

TestSuite(keyring_file, .init = make_dir, .fini = remove_dir);

static struct key_list list;
static struct result why;
static bool missing;

static bool read_ring(const char *path)
{
    why = RESULT_INIT;
    list = (struct key_list){(struct key_entry *)8, 99};
    bool ok = keyring_file_read(path, &list, &missing, &why);
    if (!ok) {
        cr_assert_eq(list.n, 0);
        cr_assert_null(list.entries);
        cr_assert_str_not_empty(why.text);
        cr_assert_null(strstr(why.text, SECRET_A), "it quotes a secret");
    }
    return ok;
}

/* Writes the text, reads it as a ring, and expects a refusal that has `words`. */
static void expect_refusal(const char *text, const char *words)
{
    const char *path = in_dir("ring");
    put_file(path, 0600, text);
    cr_assert_not(read_ring(path), "accepted: %s", text);
    cr_assert_eq(strncmp(why.text, path, strlen(path)), 0, "no path: %s", why.text);
    cr_assert_not_null(strstr(why.text, words), "\"%s\" is not in: %s", words, why.text);
}

Test(keyring_file, reads_all_members)
{
    put_file(
        in_dir("ring"), 0600,
        "# comment\nkeys = (\n"
        "{ id = \"2026-11\"; secret = \" " SECRET_A " \"; state = \"retiring\";\n"
        "  created = \"2026-11-21T00:00:00Z\"; not_before = \"2026-11-22\";\n"
        "  not_after = \"2026-12-01T12:00:00Z\"; label = \"production\"; note = \"a \\\"b\\\"\";"
        " },\n" KEY("k", SECRET_B, "pending", "") ");\n");
    cr_assert(read_ring(in_dir("ring")), "%s", why.text);
    cr_assert_not(missing);
    cr_assert_eq(list.n, 2);
    const struct key_entry *entry = &list.entries[0];
    cr_assert_str_eq(entry->id, "2026-11");
    cr_assert_str_eq(entry->secret, SECRET_A);
    cr_assert_eq(entry->state, KEY_RETIRING);
    cr_assert_eq(entry->created, 1795219200);
    cr_assert_eq(entry->not_before, 1795305600);
    cr_assert_eq(entry->not_after, 1796126400);
    cr_assert_str_eq(entry->label, "production");
    cr_assert_str_eq(entry->note, "a \"b\"");
    cr_assert_eq(list.entries[1].state, KEY_PENDING);
    cr_assert_eq(list.entries[1].not_after, KEY_TIME_NONE);
    key_list_free(&list);
}

Test(keyring_file, a_missing_file_is_an_empty_list)
{
    cr_assert(read_ring(in_dir("none")));
    cr_assert(missing);
    cr_assert_eq(list.n, 0);
    put_file(in_dir("file"), 0600, "");
    cr_assert(read_ring(in_dir("file/below")));
    cr_assert(missing);
    put_groups(in_dir("ring"), GROUPS(NULL));
    cr_assert(read_ring(in_dir("ring")), "an empty list of keys is a list: %s", why.text);
    cr_assert_not(missing);
}

Test(keyring_file, faults_are_named_with_file_and_line)
{
    expect_refusal("keys = (\n{ id = \"a\"; secret = \"" SECRET_A "\"; state = \"active\";\n"
                   "colour = \"red\"; } );",
                   ":3: unknown member \"colour\" of a key; known: id, secret, state, created, "
                   "not_before, not_after, label, note");
    expect_refusal("keys = ();\nkey = ();", ":2: unknown name \"key\"; known: keys");
    expect_refusal("", "has no list of keys");
    expect_refusal("keys = \"x\";", ":1: keys must be a list");
    expect_refusal("keys = [ 1 ];", "keys must be a list");
    expect_refusal("keys = (\n\n\"a\" );", "a key is a group");
    expect_refusal("keys = (\n" KEY("a", SECRET_A, "active", "") ",\n{ id = 1 };", ":3: syntax");
    expect_refusal("keys = ( { id = \"a\"; state = \"active\"; } );", "has no \"secret\"");
    expect_refusal("keys = ( { id = \"a\"; secret = \"" SECRET_A "\"; } );", "has no \"state\"");
    expect_refusal("keys = ( { secret = \"" SECRET_A "\"; state = \"active\"; } );",
                   "has no \"id\"");
    expect_refusal("keys = (\n{ id = 1;\nsecret = \"x\"; state = \"active\"; } );",
                   ":2: id must be a text in quotes");
    expect_refusal("keys = (" KEY("a", SECRET_A, "activ", "") ");",
                   "state = \"activ\" is unknown; known: pending, active, retiring, revoked");
    expect_refusal("keys = (" KEY("a", "short", "active", "") ");", "5 bytes");
    expect_refusal("keys = (" KEY("a b", SECRET_A, "active", "") ");", "the id must be");
    expect_refusal(
        "keys = (\n" KEY("a", SECRET_A, "active", "") ",\n" KEY("a", SECRET_B, "active", "") ");",
        ":3: there is a key \"a\" already");
    expect_refusal(
        "keys = (\n" KEY("a", SECRET_A, "revoked", "") ",\n" KEY("b", SECRET_A, "active", "") ");",
        "same secret");
    expect_refusal("keys = (" KEY("a", SECRET_A, "active", "not_after = \"soon\";") ");",
                   "not_after = \"soon\" is no time; write it as \"2026-11-21T00:00:00Z\"");
    expect_refusal("keys = (" KEY("a", SECRET_A, "active",
                                  "not_before = \"2026-11-21\"; not_after = \"2026-11-21\";") ");",
                   "not_after must be later than not_before");
    expect_refusal("keys = (" KEY("a", SECRET_A, "active", "label = \"a\\nb\";") ");", "label");
    expect_refusal("keys = ();\n  @include \"/etc/passwd\"\n", ":2: @include is not allowed");
    expect_refusal("keys = ( { id = \"a\"; id = \"b\"; } );", "duplicate");
}

Test(keyring_file, other_kinds_of_files)
{
    cr_assert_not(read_ring(dir));
    cr_assert_not_null(strstr(why.text, "not a regular file"));
    cr_assert_eq(mkfifo(in_dir("fifo"), 0600), 0);
    cr_assert_not(read_ring(in_dir("fifo")), "and it does not hang");

    FILE *file = fopen(in_dir("nul"), "wb");
    fwrite("keys = ();\0keys", 1, 15, file);
    fclose(file);
    chmod(in_dir("nul"), 0600);
    cr_assert_not(read_ring(in_dir("nul")));
    cr_assert_not_null(strstr(why.text, "NUL"));

    put_file(in_dir("huge"), 0600, "");
    cr_assert_eq(truncate(in_dir("huge"), INT64_C(1) << 40), 0);
    cr_assert_not(read_ring(in_dir("huge")), "and nothing of that size is allocated");
    cr_assert_not_null(strstr(why.text, "1099511627776 bytes are too many"));
}

Test(keyring_file, modes_that_let_others_in_are_refused)
{
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    static const mode_t wide[] = {0640, 0604, 0660, 0644, 0620, 0602, 0777, 0601};
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        char chmod_line[600];
        chmod(in_dir("ring"), wide[i]);
        cr_assert_not(read_ring(in_dir("ring")), "%o", wide[i]);
        snprintf(chmod_line, sizeof(chmod_line), "run: chmod 600 %s", in_dir("ring"));
        cr_assert_not_null(strstr(why.text, chmod_line), "%s", why.text);
    }
    static const mode_t fine[] = {0600, 0400, 0700};
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        chmod(in_dir("ring"), fine[i]);
        cr_assert(read_ring(in_dir("ring")), "%o: %s", fine[i], why.text);
        key_list_free(&list);
    }
    /* The target's mode counts, not the link's. */
    cr_assert_eq(symlink(in_dir("ring"), in_dir("link")), 0);
    chmod(in_dir("ring"), 0600);
    cr_assert(read_ring(in_dir("link")), "%s", why.text);
    key_list_free(&list);
    chmod(in_dir("ring"), 0644);
    cr_assert_not(read_ring(in_dir("link")));
}

static void fill(struct key_list *keys)
{
    struct key_entry *entry = key_list_add(
        keys, SLICE_LIT("a"), SLICE_LIT("q\"uo\\te;{}()#/*\xc3\xa9\xff padding"), NULL);
    entry->state = KEY_REVOKED;
    entry->created = 1795219200;
    entry->not_before = 1795219201;
    entry->not_after = 1795219202;
    cr_assert(key_entry_set_label(entry, SLICE_LIT("dév \"x\" \\n"), NULL));
    cr_assert(key_entry_set_note(entry, SLICE_LIT("@include \"x\""), NULL));
    cr_assert_not_null(key_list_add(keys, SLICE_LIT("b"), SLICE_LIT(SECRET_B), NULL));
}

static void expect_filled(const char *path)
{
    cr_assert(read_ring(path), "%s", why.text);
    cr_assert_eq(list.n, 2);
    const struct key_entry *entry = &list.entries[0];
    cr_assert_str_eq(entry->secret, "q\"uo\\te;{}()#/*\xc3\xa9\xff padding");
    cr_assert_eq(entry->state, KEY_REVOKED);
    cr_assert_eq(entry->created, 1795219200);
    cr_assert_eq(entry->not_before, 1795219201);
    cr_assert_eq(entry->not_after, 1795219202);
    cr_assert_str_eq(entry->label, "dév \"x\" \\n");
    cr_assert_str_eq(entry->note, "@include \"x\"");
    cr_assert_str_eq(list.entries[1].secret, SECRET_B);
    key_list_free(&list);
}

Test(keyring_file, what_is_written_is_read_again)
{
    struct key_list keys = {0};
    struct stat info;
    fill(&keys);
    umask(0);
    cr_assert(keyring_file_write(in_dir("ring"), &keys, &why), "%s", why.text);
    cr_assert_eq(stat(in_dir("ring"), &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600);
    expect_filled(in_dir("ring"));

    /* Through a symlink: the link stays, its target is new. */
    cr_assert_eq(mkdir(in_dir("real"), 0700), 0);
    put_groups(in_dir("real/ring"), GROUPS(NULL));
    cr_assert_eq(symlink("real/ring", in_dir("link")), 0);
    cr_assert(keyring_file_write(in_dir("link"), &keys, &why), "%s", why.text);
    cr_assert_eq(lstat(in_dir("link"), &info), 0);
    cr_assert(S_ISLNK(info.st_mode));
    expect_filled(in_dir("real/ring"));
    key_list_free(&keys);
}

Test(keyring_file, the_largest_ring_goes_both_ways)
{
    struct key_list keys = {0};
    char secret[KEY_SECRET_MAX + 1];
    char note[KEY_NOTE_MAX];
    memset(note, 'n', sizeof(note));
    for (int i = 0; i < KEY_LIST_MAX; i++) {
        char id[SIGNATURE_KEY_ID_MAX + 1];
        snprintf(id, sizeof(id), "%064d", i);
        memset(secret, 's', sizeof(secret));
        snprintf(secret, sizeof(secret), "%d", i);
        secret[strlen(secret)] = 's';
        struct key_entry *entry =
            key_list_add(&keys, slice_of(id), slice_make(secret, KEY_SECRET_MAX), &why);
        cr_assert_not_null(entry, "%s", why.text);
        cr_assert(key_entry_set_note(entry, slice_make(note, sizeof(note)), &why));
    }
    cr_assert(keyring_file_write(in_dir("ring"), &keys, &why), "%s", why.text);
    cr_assert(read_ring(in_dir("ring")), "%s", why.text);
    cr_assert_eq(list.n, KEY_LIST_MAX);
    key_list_free(&list);
    key_list_free(&keys);
}

Test(keyring_file, a_failed_write_leaves_the_old_file)
{
    struct key_list keys = {0};
    fill(&keys);
    cr_assert_not(keyring_file_write(in_dir("none/ring"), &keys, &why));
    cr_assert_not_null(strstr(why.text, "No such file or directory"), "%s", why.text);

    cr_assert_eq(symlink("nowhere", in_dir("dangling")), 0);
    cr_assert_not(keyring_file_write(in_dir("dangling"), &keys, &why));
    cr_assert_not_null(strstr(why.text, "symlink to nothing"), "%s", why.text);

    /* A directory in the file's place cannot be renamed over; the temporary file goes. */
    cr_assert_eq(mkdir(in_dir("ring"), 0700), 0);
    cr_assert_not(keyring_file_write(in_dir("ring"), &keys, &why));
    char command[600];
    snprintf(command, sizeof(command), "test $(ls %s | wc -l) -eq 3", dir);
    cr_assert_eq(system(command), 0, "dangling, ring, ring.lock and nothing else");
    key_list_free(&keys);
}

static bool add_one(struct key_list *keys, bool is_missing, void *arg, struct result *said)
{
    char secret[40];
    (void)is_missing;
    snprintf(secret, sizeof(secret), "secret-of-%s-and-padding", (const char *)arg);
    return key_list_add(keys, slice_of(arg), slice_of(secret), said) != NULL;
}

static const char *edited; /* in_dir is for one thread */

static void *edit_ten(void *arg)
{
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%s%d", (const char *)arg, i);
        if (!keyring_file_edit(edited, add_one, id, NULL)) {
            return arg;
        }
    }
    return NULL;
}

/* Root runs the tool, another user the daemon: the file has to stay that user's. */
Test(keyring_file, written_by_root_it_belongs_to_the_owner_of_the_place)
{
    struct key_list keys = {0};
    struct stat info;
    if (geteuid() != 0) {
        cr_skip_test("needs root");
    }
    fill(&keys);
    cr_assert_eq(chown(dir, 4321, 4322), 0);
    cr_assert(keyring_file_write(in_dir("ring"), &keys, &why), "%s", why.text);
    cr_assert_eq(stat(in_dir("ring"), &info), 0);
    cr_assert_eq(info.st_uid, 4321, "a new one: the directory's");
    cr_assert_eq(info.st_gid, 4322);
    cr_assert_eq(stat(in_dir("ring.lock"), &info), 0);
    cr_assert_eq(info.st_uid, 4321);
    cr_assert_eq(chown(in_dir("ring"), 5321, 5322), 0);
    cr_assert(keyring_file_write(in_dir("ring"), &keys, &why), "%s", why.text);
    cr_assert_eq(stat(in_dir("ring"), &info), 0);
    cr_assert_eq(info.st_uid, 5321, "an old one: its own");
    key_list_free(&keys);
}

Test(keyring_file, editors_do_not_undo_each_other)
{
    pthread_t threads[3];
    static char names[3][2] = {"x", "y", "z"};
    edited = in_dir("ring");
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, edit_ten, names[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        cr_assert_null(failed);
    }
    cr_assert(read_ring(in_dir("ring")));
    cr_assert_eq(list.n, 30);
    key_list_free(&list);

    cr_assert_not(keyring_file_edit(in_dir("ring"), add_one, names[0], NULL) &&
                  keyring_file_edit(in_dir("ring"), add_one, names[0], &why));
    cr_assert_not_null(strstr(why.text, "already"), "the edit's sentence comes back");
    cr_assert(read_ring(in_dir("ring")));
    cr_assert_eq(list.n, 31);
    key_list_free(&list);
}

Test(keyring_file, single_secret_files)
{
    struct key_entry entry;
    put_file(in_dir("secret"), 0444, "\n " SECRET_A "\r\n");
    cr_assert_eq(symlink("secret", in_dir("link")), 0);
    cr_assert(secret_file_read(in_dir("link"), &entry, &missing, &why), "%s", why.text);
    cr_assert_not(missing);
    cr_assert_str_eq(entry.secret, SECRET_A);
    cr_assert_eq(entry.state, KEY_ACTIVE);
    cr_assert_eq(entry.not_after, KEY_TIME_NONE);
    key_entry_free(&entry);
    cr_assert_null(entry.secret);

    cr_assert(secret_file_read(in_dir("none"), &entry, &missing, &why));
    cr_assert(missing);

    static const char *const bad[] = {"", " \n", "too short", "two lines of text\nare no secret"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_file(in_dir("bad"), 0600, bad[i]);
        cr_assert_not(secret_file_read(in_dir("bad"), &entry, &missing, &why), "%s", bad[i]);
        cr_assert_null(entry.secret);
        cr_assert_not_null(strstr(why.text, in_dir("bad")), "%s", why.text);
    }
    cr_assert_eq(truncate(in_dir("bad"), 5000), 0);
    cr_assert_not(secret_file_read(in_dir("bad"), &entry, &missing, &why));
    cr_assert_not(secret_file_read(dir, &entry, &missing, &why));
}
