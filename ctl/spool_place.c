/* spool_place.c: where the files of a gateway are: by its configuration, or in a directory that
 * somebody names, which may be anything. See spool.h. */
#include "ctl/spool.h"
#include "otlp/export/dead_letter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool set_place(struct spool_place *out, const char *dir)
{
    int spool = snprintf(out->spool, sizeof(out->spool), "%s/spool", dir);
    int dead = snprintf(out->dead, sizeof(out->dead), "%s/dead", dir);
    return spool > 0 && spool < SPOOL_PLACE_MAX && dead > 0 && dead < SPOOL_PLACE_MAX;
}

static bool is_spool(const struct spool_files *files)
{
    return files->n_segments != 0 || files->n_cursors != 0 || files->has_lock;
}

/* "No" only where it can be read: what is wrong else is said by whoever opens it. /var, for one,
 * has a spool/ that is no gateway's. */
static bool may_be_spool(const char *dir)
{
    struct spool_files files;
    if (!is_directory(dir)) {
        return false;
    }
    bool may = !spool_files_open(dir, &files, NULL) || is_spool(&files);
    spool_files_close(&files);
    return may;
}

static int refuse(struct ctl *ctl, const char *dir)
{
    return ctl_fail(ctl,
                    "%s is no state directory of a gateway, nor a part of one: a state directory "
                    "has spool/ in it (segments, *.seg, and cursors) and, after the first refusal, "
                    "dead/ (dead letters, *.dead)",
                    dir);
}

/* A spool's own directory, one of dead letters, or both in one. */
static int find_bare(struct ctl *ctl, const char *dir, struct spool_place *out)
{
    struct result why = RESULT_INIT;
    struct spool_files files;
    char retry[DEAD_LETTER_PATH_MAX];
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n_letters = 0;
    bool read = spool_files_open(dir, &files, &why);
    bool spool = read && is_spool(&files);
    spool_files_close(&files);
    read = read && dead_letter_list(dir, &names, &n_letters, &why);
    free(names);
    if (!read) {
        return ctl_fail_why(ctl, &why);
    }
    dead_letter_retry_dir(dir, retry);
    bool dead = n_letters != 0 || is_directory(retry);
    snprintf(out->spool, sizeof(out->spool), "%s", spool ? dir : "");
    snprintf(out->dead, sizeof(out->dead), "%s", dead ? dir : "");
    return spool || dead ? CTL_DONE : refuse(ctl, dir);
}

int spool_find_place(struct ctl *ctl, const char *dir, struct spool_place *out)
{
    *out = (struct spool_place){{0}, {0}};
    if (dir != NULL) {
        if (!is_directory(dir)) {
            return ctl_fail(ctl, "%s is no directory", dir);
        }
        if (!set_place(out, dir)) {
            return ctl_fail(ctl, "the path of --dir is too long");
        }
        return is_directory(out->dead) || may_be_spool(out->spool) ? CTL_DONE
                                                                   : find_bare(ctl, dir, out);
    }
    struct config *config = ctl_config(ctl);
    if (config == NULL) {
        return CTL_FAILED;
    }
    bool fits = set_place(out, config->state.dir);
    config_free(config);
    return fits ? CTL_DONE : ctl_fail(ctl, "the path of state.dir is too long");
}

int spool_open_files(struct ctl *ctl, const char *dir, struct spool_place *place,
                     struct spool_files *files)
{
    struct result why = RESULT_INIT;
    *files = (struct spool_files){.fd = -1};
    int status = spool_find_place(ctl, dir, place);
    if (status != CTL_DONE) {
        return status;
    }
    if (place->spool[0] == '\0') {
        return ctl_fail(ctl,
                        "%s is a directory of dead letters; the spool lies in spool/ beside it: "
                        "give the directory that holds both",
                        dir);
    }
    if (!spool_files_open(place->spool, files, &why)) {
        bool before = dir == NULL && errno == ENOENT;
        return ctl_fail(ctl, "%s%s", why.text,
                        before ? "; the gateway makes it when it starts" : ctl_remedy(&why));
    }
    return dir == NULL || is_spool(files)
               ? CTL_DONE
               : ctl_fail(ctl, "%s has neither segments (*.seg) nor cursors: it is no spool",
                          place->spool);
}
