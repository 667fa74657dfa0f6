/* main.c: sigpostctl on the process's own streams and environment. */
#include "ctl/ctl.h"

#include "base/process.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    process_forbid_dumps();
    struct ctl ctl = {.in = stdin, .out = stdout, .err = stderr, .environment = environ};
    return ctl_run(&ctl, argc, argv);
}
