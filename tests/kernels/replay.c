/* Replay calls of kernels that were recorded on another processor, and compare every bit of what they write.
 *
 * kernels.h, written by test_other_processors.py, has one line for each kernel. The file of calls has for each call
 * the kernel's number, then for each parameter 8 bytes of a number, or an array: its number of bytes, and these before
 * and after the call; last 8 bytes of what the call returned, zeros for nothing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef union {
    int64_t i;
    uint64_t u;
    double d;
    float f;
    bool b;
    void *p;
} Value;

typedef struct {
    const char *name;
    const char *parameters; /* one letter each, the name of a Value's member */
    void (*call)(const Value *arguments, Value *returned);
} Kernel;

#include "kernels.h"

static void read_into(void *at, size_t size, FILE *file) {
    if (size && fread(at, size, 1, file) != 1) {
        fprintf(stderr, "the file of calls ends too soon\n");
        exit(2);
    }
}

static void *read_array(size_t size, FILE *file) {
    void *bytes = malloc(size + 1);
    if (!bytes) exit(2);
    read_into(bytes, size, file);
    return bytes;
}

int main(int n_arguments, char **paths) {
    FILE *file = n_arguments == 2 ? fopen(paths[1], "rb") : NULL;
    if (!file) return 2;
    int64_t number;
    int n_calls = 0;
    int n_wrong = 0;
    for (; fread(&number, sizeof number, 1, file) == 1; n_calls++) {
        const Kernel *kernel = KERNELS + number;
        Value arguments[64];
        void *expected[64];
        int64_t sizes[64];
        size_t n = strlen(kernel->parameters);
        for (size_t k = 0; k < n; k++) {
            read_into(arguments + k, 8, file);
            if (kernel->parameters[k] != 'p') continue;
            sizes[k] = arguments[k].i;
            arguments[k].p = read_array((size_t)sizes[k], file);
            expected[k] = read_array((size_t)sizes[k], file);
        }
        Value returned = {0};
        Value expected_return;
        read_into(&expected_return, 8, file);
        kernel->call(arguments, &returned);
        bool same = returned.u == expected_return.u;
        for (size_t k = 0; k < n; k++) {
            if (kernel->parameters[k] != 'p') continue;
            same = same && memcmp(arguments[k].p, expected[k], (size_t)sizes[k]) == 0;
            free(arguments[k].p);
            free(expected[k]);
        }
        if (same) continue;
        n_wrong++;
        printf("call %d: %s gives other bits\n", n_calls, kernel->name);
    }
    printf("%d calls, %d differ\n", n_calls, n_wrong);
    return n_wrong > 0;
}
