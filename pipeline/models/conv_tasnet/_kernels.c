/* Operations that torch does in several passes over a tile, in one pass. Called by kernels.py.

   Signals are contiguous [rows, width] arrays of floats. The threads are those of torch, whose
   OpenMP library is already loaded. Each function is compiled once for each instruction set, as a
   "clone"; kernels.py chooses the clone. */

#include <string.h>

/* The arguments of both kernels: activate() has no taps, and its input is its output. */
struct work {
    const float *input;
    float *output;
    long width;
    const float *taps;
    long taps_count, dilation;
    const float *constant;
    float slope;
};

#define IN_EVERY_CLONE static inline __attribute__((always_inline))

/* For each row: write PReLU(value) for each channel c, and add the sum of the results and of their
   squares to sums[2]. PReLU multiplies by 1 or by the slope, so that every channel takes the same
   instructions. Below AVX-512, gcc vectorises the comparison only with -fno-trapping-math, which
   pyproject.toml sets and which changes no value. */
#define ACTIVATE(row, width, slope, sums, value_of_c)    \
    {                                                    \
        float first = 0, second = 0;                     \
        _Pragma("omp simd reduction(+ : first, second)") \
        for (long c = 0; c < (width); c++) {             \
            float value = (value_of_c);                  \
            value *= value > 0 ? 1.0f : (slope);         \
            (row)[c] = value;                            \
            first += value;                              \
            second += value * value;                     \
        }                                                \
        (sums)[0] += first;                              \
        (sums)[1] += second;                             \
    }

IN_EVERY_CLONE void activate_rows(const struct work *work, long begin, long end, double *sums) {
    const long width = work->width;
    const float *restrict bias = work->constant;
    const float slope = work->slope;
    for (long r = begin; r < end; r++) {
        float *restrict row = work->output + r * width;
        ACTIVATE(row, width, slope, sums, row[c] + bias[c])
    }
}

/* Tap k uses the row k * dilation below. With three taps, the usual number, sums stay in
   registers. */
IN_EVERY_CLONE void convolve_rows(const struct work *work, long begin, long end, double *sums) {
    const long width = work->width, count = work->taps_count, step = work->dilation * width;
    const float *restrict taps = work->taps, *restrict constant = work->constant;
    const float slope = work->slope;
    for (long r = begin; r < end; r++) {
        const float *restrict seen = work->input + r * width;
        float *restrict row = work->output + r * width;
        if (count == 3) {
            ACTIVATE(row, width, slope, sums,
                     constant[c] + seen[c] * taps[c] + seen[step + c] * taps[width + c] +
                         seen[2 * step + c] * taps[2 * width + c])
            continue;
        }
        for (long c = 0; c < width; c++)
            row[c] = constant[c];
        for (long k = 0; k < count; k++)
            for (long c = 0; c < width; c++)
                row[c] += seen[k * step + c] * taps[k * width + c];
        ACTIVATE(row, width, slope, sums, row[c])
    }
}

typedef void Kernel(const struct work *work, long begin, long end, double *sums);

#define CLONE(name, attribute)                                                                \
    attribute static void activate_##name(const struct work *work, long begin, long end,      \
                                          double *sums) {                                     \
        activate_rows(work, begin, end, sums);                                                \
    }                                                                                         \
    attribute static void convolve_##name(const struct work *work, long begin, long end,      \
                                          double *sums) {                                     \
        convolve_rows(work, begin, end, sums);                                                \
    }

CLONE(default, )
#if defined(__x86_64__)
CLONE(avx2, __attribute__((target("avx2,fma"))))
CLONE(avx512, __attribute__((target("avx512f"))))
#endif

static Kernel *activate_chosen = activate_default, *convolve_chosen = convolve_default;
static const char *name_chosen = "default";

#define CHOOSE(clone, is_here)                \
    if (!strcmp(name, #clone) && (is_here)) { \
        activate_chosen = activate_##clone;   \
        convolve_chosen = convolve_##clone;   \
        name_chosen = #clone;                 \
        return 1;                             \
    }

/* Use the clone of that name from now on. Returns 0, without a change, if this build or this
   processor does not have it. */
int choose(const char *name) {
    CHOOSE(default, 1)
#if defined(__x86_64__)
    CHOOSE(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    CHOOSE(avx512, __builtin_cpu_supports("avx512f"))
#endif
    return 0;
}

const char *chosen(void) {
    return name_chosen;
}

/* Must be raised, with VERSION in kernels.py, whenever functions or arguments change. */
int version(void) {
    return 3;
}

#define SHARE 16 /* rows that a thread takes at a time */

static void run(Kernel *kernel, const struct work *work, long count, double *sums) {
    double first = 0, second = 0;
#pragma omp parallel for reduction(+ : first, second) schedule(static)
    for (long at = 0; at < count; at += SHARE) {
        double part[2] = {0, 0};
        kernel(work, at, at + SHARE < count ? at + SHARE : count, part);
        first += part[0];
        second += part[1];
    }
    sums[0] = first;
    sums[1] = second;
}

void activate(float *rows, long count, long width, const float *bias, float slope, double *sums) {
    const struct work work = {
        .input = rows, .output = rows, .width = width, .constant = bias, .slope = slope};
    run(activate_chosen, &work, count, sums);
}

void convolve(const float *context, long count, long width, const float *taps, long number,
              long dilation, const float *constant, float slope, float *out, double *sums) {
    const struct work work = {.input = context,
                              .output = out,
                              .width = width,
                              .taps = taps,
                              .taps_count = number,
                              .dilation = dilation,
                              .constant = constant,
                              .slope = slope};
    run(convolve_chosen, &work, count, sums);
}
